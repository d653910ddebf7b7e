/**
 * The thread in which Smart Turn runs. onnxruntime-node computes on the thread that calls it, although `run()` answers
 * with a promise: some 20 ms for a turn, which no event loop with calls on it may wait for.
 * Owns the session and the log-mel buffers; order, limits and time-outs are smart-turn.ts's.
 */
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { LeanModel } from './lean-model.ts';
import { LogMel } from './log-mel.ts';

export interface ThreadData {
  readonly weightsFile: string;
}

export type ThreadRequest =
  | { readonly type: 'run'; readonly id: number; readonly pcm: Int16Array }
  /** Release the session and end. */
  | { readonly type: 'close' };

export type ThreadAnswer =
  | { readonly type: 'ready' }
  /** The model could not be loaded; the thread ends. */
  | { readonly type: 'unloadable'; readonly reason: string }
  | {
      readonly type: 'result';
      readonly id: number;
      readonly probability: number;
      /** Time of the log-mel and of the model. */
      readonly featuresMs: number;
      readonly modelMs: number;
    }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };

/** How far this thread stands back where the CPU is short: a verdict may come later, a voice may not. */
const NICENESS = 19;

const port = parentPort;
if (port === null) throw new Error('This file is the entry of a thread.');
const answer = (message: ThreadAnswer) => port.postMessage(message);
const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

// On Linux this is the thread's own; elsewhere it would be the whole process's.
if (process.platform === 'linux') setPriority(0, NICENESS);

try {
  const file = await readFile((workerData as ThreadData).weightsFile);
  const model = await LeanModel.load(file);
  const logMel = new LogMel();
  port.on('message', (request: ThreadRequest) => {
    if (request.type === 'run') void run(model, logMel, request.id, request.pcm);
    else void model.release().finally(() => port.close());
  });
  // The first run is slower than all others by far; it shall not be a caller's.
  await model.probability(logMel.compute(new Int16Array(0)), 0);
  answer({ type: 'ready' });
} catch (error) {
  answer({ type: 'unloadable', reason: reasonOf(error) });
  port.close();
}

async function run(model: LeanModel, logMel: LogMel, id: number, pcm: Int16Array): Promise<void> {
  try {
    const startedAtMs = performance.now();
    const features = logMel.compute(pcm);
    const computedAtMs = performance.now();
    const probability = await model.probability(features, pcm.length);
    const modelMs = performance.now() - computedAtMs;
    answer({ type: 'result', id, probability, featuresMs: computedAtMs - startedAtMs, modelMs });
  } catch (error) {
    answer({ type: 'failed', id, reason: reasonOf(error) });
  }
}
