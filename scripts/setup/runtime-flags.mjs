/**
 * How V8 is to collect garbage in a server: calls are fifty packets a second, each with buffers outside of the heap, and a
 * pause is a late frame for every one of them. Measured by `npm run -s bench -- density`; the flags are those of the
 * Node that set-up brings.
 */
import { availableParallelism } from 'node:os';

/**
 * @param {number} [cpus] that the process may use
 * @param {string} [version] of this Node; an older one gives way to the Node 24 of set-up
 * @returns {string[]}
 */
export function runtimeFlags(cpus = availableParallelism(), version = process.versions.node) {
  const isKnown = Number.parseInt(version, 10) <= 24;
  return [
    // Buffers count towards the limit of the whole heap; by themselves they would ask for a full collection each second.
    // A Node that does not know the flag would not start: it is V8's own, and only that of Node 24 was looked at.
    ...(isKnown ? ['--external-memory-accounted-in-global-limit'] : []),
    // Where the heap may grow to before the first full collection, MiB. Nothing is taken before it is needed.
    '--initial-heap-size=600',
    // On one CPU the threads of the collector only take it from the one that serves calls.
    ...(cpus === 1 ? ['--single-threaded-gc'] : []),
  ];
}
