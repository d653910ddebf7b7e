/** What a CPU of this machine did since its start, as Linux accounts for it (/proc/stat). Owns nothing. */
import { readFile } from 'node:fs/promises';

export interface CpuTimes {
  /** Any process, the kernel and interrupts, ms. */
  busyMs: number;
  /** Taken by the hypervisor for other machines, ms. */
  stolenMs: number;
}

/** The kernel counts in hundredths of a second (USER_HZ). */
const MS_PER_TICK = 10;

/** Null where there is no such file, or no such CPU. */
export async function cpuTimes(cpu: number): Promise<CpuTimes | null> {
  const text = await readFile('/proc/stat', 'utf8').catch(() => '');
  const line = text.split('\n').find((each) => each.startsWith(`cpu${cpu} `));
  if (line === undefined) return null;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').slice(1).map(Number);
  return { busyMs: (user + nice + system + irq + softirq) * MS_PER_TICK, stolenMs: steal * MS_PER_TICK };
}
