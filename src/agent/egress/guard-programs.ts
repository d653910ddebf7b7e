/**
 * The hooks in what would run outside of the session's sight: programs, and threads, which have sockets without our
 * hooks. A tool's could send anything anywhere, so a pinned session starts none; ours are started by `withoutEgress`.
 */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
import { currentEgress } from './egress-context.ts';

/** @returns what takes the hooks out */
export function guardPrograms(): () => void {
  const check = (program: unknown): void => {
    currentEgress()?.check(`program:${String(program)}`, null, 'program');
  };
  // What every asynchronous way to start a program comes down to; the types do not know it.
  const prototype = childProcess.ChildProcess.prototype as unknown as { spawn(options: { file?: string }): unknown };
  const { spawn } = prototype;
  prototype.spawn = function guardedSpawn(options) {
    check(options.file);
    return Reflect.apply(spawn, this, [options]);
  };
  const { spawnSync, execSync, execFileSync } = childProcess;
  const guarded = <F extends (file: never, ...rest: never[]) => unknown>(original: F): F =>
    function guardedSync(this: unknown, ...args: Parameters<F>): unknown {
      check(args[0]);
      return Reflect.apply(original, this, args);
    } as F;
  Object.assign(childProcess, {
    spawnSync: guarded(spawnSync),
    execSync: guarded(execSync),
    execFileSync: guarded(execFileSync),
  });
  const { Worker } = threads;
  threads.Worker = class GuardedWorker extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      check('thread');
      super(...args);
    }
  };
  syncBuiltinESMExports();
  return () => {
    prototype.spawn = spawn;
    Object.assign(childProcess, { spawnSync, execSync, execFileSync });
    threads.Worker = Worker;
    syncBuiltinESMExports();
  };
}
