/** CPU time by thread, as Linux accounts for it in nanoseconds (/proc/<pid>/task/<tid>/schedstat). Owns nothing. */
import { readdir, readFile } from 'node:fs/promises';

/**
 * This process's threads by name, those of one name together, and each of `workerPids` as `media-worker`. Milliseconds.
 * A process that cannot be read (not Linux, or gone) is left out.
 */
export async function threadTimes(workerPids: readonly number[]): Promise<Record<string, number>> {
  const own = await timesOf(process.pid, (name) => name);
  const workers = await Promise.all(workerPids.map((pid) => timesOf(pid, () => 'media-worker')));
  return [own, ...workers].reduce(added, {});
}

async function timesOf(pid: number, label: (name: string) => string): Promise<Record<string, number>> {
  const folder = `/proc/${pid}/task`;
  const threads = await readdir(folder).catch(() => []);
  const times = threads.map(async (thread) => {
    try {
      const [name, schedule] = await Promise.all([
        readFile(`${folder}/${thread}/comm`, 'utf8'),
        readFile(`${folder}/${thread}/schedstat`, 'utf8'),
      ]);
      return { [label(name.trim())]: Number(schedule.split(' ')[0]) / 1e6 };
    } catch {
      return {}; // ended meanwhile
    }
  });
  return (await Promise.all(times)).reduce(added, {});
}

function added(total: Record<string, number>, more: Record<string, number>): Record<string, number> {
  const sum = { ...total };
  for (const [name, ms] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + ms;
  return sum;
}
