/**
 * Where the time of a V8 CPU profile goes: by part of the program and by function, always the time in a function itself,
 * what it calls left out. Native functions without a place count to the part that called them.
 */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
}

interface Profile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/** One line each: all parts, then the `count` costliest functions, with their share of all time, idle time included. */
export async function profileSummary(file: string, count: number): Promise<string[]> {
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(file, 'utf8')) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const partOf = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = callers.get(at)) {
      const part = partOfFrame(frames.get(at)!);
      if (part !== null) return part;
    }
    return 'node';
  };
  const [parts, functions] = [new Map<string, number>(), new Map<string, number>()];
  let totalUs = 0;
  for (const [index, id] of samples.entries()) {
    const us = timeDeltas[index] ?? 0;
    totalUs += us;
    add(parts, partOf(id), us);
    add(functions, nameOf(frames.get(id)!), us);
  }
  const lines = (of: Map<string, number>, most: number) =>
    [...of]
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .map(([name, us]) => `${((us / totalUs) * 100).toFixed(1).padStart(5)} %  ${name}`);
  return ['by part:', ...lines(parts, Number.POSITIVE_INFINITY), 'by function:', ...lines(functions, count)];
}

function add(to: Map<string, number>, name: string, us: number): void {
  to.set(name, (to.get(name) ?? 0) + us);
}

/** A folder of ours, a package, or what V8 does beside; null for native functions and Node's own. */
function partOfFrame({ functionName, url }: CallFrame): string | null {
  if (url.startsWith('wasm:')) return 'libopus-wasm (wasm)';
  if (url.startsWith('file:')) {
    const path = relative(process.cwd(), fileURLToPath(url)).split('/');
    if (path[0] === 'node_modules') return path[1]!.startsWith('@') ? `${path[1]}/${path[2]}` : path[1]!;
    return path.slice(0, path[0] === 'src' && path.length > 3 ? 3 : path.length > 2 ? 2 : 1).join('/');
  }
  return ['(idle)', '(program)', '(garbage collector)'].includes(functionName) ? functionName : null;
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const place = url.startsWith('file:') ? relative(process.cwd(), fileURLToPath(url)) : url;
  return `${name} ${place}:${lineNumber + 1}`;
}
