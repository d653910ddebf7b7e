/** What a process holds, as Linux tells it from outside, and what a node says of itself. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface Resources {
  rssMib: number;
  /** Open file descriptors, sockets among them. */
  descriptors: number;
  sockets: number;
  udpPorts: number;
}

const PAGE_BYTES = 4_096;
const MIB = 2 ** 20;

export async function resourcesOf(pid: number): Promise<Resources> {
  const resident = Number((await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1]);
  const names = await readdir(`/proc/${pid}/fd`);
  // One that was closed meanwhile is none.
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  const inodes = links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
  const udp = await udpInodes(pid);
  return {
    rssMib: (resident * PAGE_BYTES) / MIB,
    descriptors: links.filter((link) => link !== '').length,
    sockets: inodes.length,
    udpPorts: inodes.filter((inode) => udp.has(inode)).length,
  };
}

export interface NodeHeap {
  heapMib: number;
  timers: number;
}

/** From `/metrics`. @throws Error when the node does not tell */
export async function heapOf(url: string, apiKey: string): Promise<NodeHeap> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${apiKey}` } });
  const text = await response.text();
  const value = (line: RegExp, otherwise?: number) => {
    const found = line.exec(text)?.[1];
    if (found === undefined && otherwise === undefined) throw new Error(`no ${line} in the metrics of ${url}`);
    return found === undefined ? otherwise! : Number(found);
  };
  return {
    heapMib: value(/^nodejs_heap_size_used_bytes\S* (\S+)$/m) / MIB,
    timers: value(/^nodejs_active_resources\{[^}]*type="Timeout"[^}]*\} (\S+)$/m, 0),
  };
}

async function udpInodes(pid: number): Promise<Set<string>> {
  const inodes = new Set<string>();
  for (const file of ['udp', 'udp6']) {
    const lines = (await readFile(`/proc/${pid}/net/${file}`, 'utf8').catch(() => '')).trim().split('\n').slice(1);
    for (const line of lines) inodes.add(line.trim().split(/\s+/)[9] ?? '');
  }
  return inodes;
}
