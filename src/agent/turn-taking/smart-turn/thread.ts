/**
 * The thread in which Smart Turn runs. onnxruntime-node computes on the thread that calls it, although `run()` answers
 * with a promise: some 35 ms for a turn, which no event loop with calls on it may wait for.
 * Owns the session and the log-mel buffers; order, limits and time-outs are smart-turn.ts's.
 */
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { leanSmartTurn } from './lean-graph.ts';
import { LogMel, SMART_TURN_FRAMES, SMART_TURN_MELS } from './log-mel.ts';

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

/** Names in the model; its `logits` have gone through the sigmoid already. */
const INPUT = 'input_features';
const OUTPUT = 'logits';

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
  const session = await ort.InferenceSession.create(leanSmartTurn(file), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const logMel = new LogMel();
  port.on('message', (request: ThreadRequest) => {
    if (request.type === 'run') void run(session, logMel, request.id, request.pcm);
    else void session.release().finally(() => port.close());
  });
  // The first run is slower than all others by far; it shall not be a caller's.
  await infer(session, logMel.compute(new Int16Array(0)));
  answer({ type: 'ready' });
} catch (error) {
  answer({ type: 'unloadable', reason: reasonOf(error) });
  port.close();
}

async function run(session: ort.InferenceSession, logMel: LogMel, id: number, pcm: Int16Array): Promise<void> {
  try {
    const startedAtMs = performance.now();
    const features = logMel.compute(pcm);
    const computedAtMs = performance.now();
    const probability = await infer(session, features);
    const modelMs = performance.now() - computedAtMs;
    answer({ type: 'result', id, probability, featuresMs: computedAtMs - startedAtMs, modelMs });
  } catch (error) {
    answer({ type: 'failed', id, reason: reasonOf(error) });
  }
}

async function infer(session: ort.InferenceSession, features: Float32Array): Promise<number> {
  const input = new ort.Tensor('float32', features, [1, SMART_TURN_MELS, SMART_TURN_FRAMES]);
  const output = (await session.run({ [INPUT]: input }))[OUTPUT]?.data[0];
  if (typeof output !== 'number' || !(output >= 0 && output <= 1)) {
    throw new Error(`the model answered ${output}, which is no probability`);
  }
  return output;
}
