/**
 * The Silero voice activity model (MIT; v6, as shipped inside the npm package @ricky0123/vad-web) on onnxruntime: one
 * run over a batch of windows with each window's own LSTM state. Owns the tensors; how the network is laid out for
 * batches is silero-graph.ts's, who is in a batch and when it runs the batcher's.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { AntipodeError } from '../../errors.ts';
import { batchedSilero, SILERO_FRAME_SAMPLES, SILERO_FRAMES, writeFrames } from './silero-graph.ts';

/** Samples of one window at 16 kHz: 32 ms. */
export const VAD_WINDOW_SAMPLES = 512;
/** Samples of the window before that the model wants to see again. */
export const VAD_CONTEXT_SAMPLES = 64;
export const VAD_INPUT_SAMPLES = VAD_CONTEXT_SAMPLES + VAD_WINDOW_SAMPLES;
/** LSTM state of one stream: h and c, 128 each. */
export const VAD_STATE_SIZE = 2 * 128;

/** Values of one window as the graph takes it. */
const FRAME_VALUES = SILERO_FRAMES * SILERO_FRAME_SAMPLES;

/** One stream's part of a batch. */
export interface VadBatchItem {
  /** 576 samples, full scale +-1: 64 of the window before, then 512. */
  readonly input: Float32Array;
  /** 256 values, read and then written over with the state after the window. */
  readonly state: Float32Array;
  /** Probability of voice, 0..1; written by the run. */
  probability: number;
}

/** Runs a batch; rejects as a whole. A fake stands in for it in tests. */
export interface VadModel {
  run(items: readonly VadBatchItem[]): Promise<void>;
  close(): Promise<void>;
}

export interface SileroOptions {
  /** Windows in one run at the most; buffers are made for it once. */
  maxBatch: number;
  /** Model file; by default the one of the installed package. */
  modelFile?: string;
}

/** What one run of a given size reads and writes; made once for each size. */
interface Tensors {
  readonly feeds: Readonly<Record<'frames' | 'state', Tensor>>;
  readonly fetches: Readonly<Record<'output' | 'stateN', Tensor>>;
}

export class SileroModel implements VadModel {
  readonly #session: InferenceSession;
  readonly #ort: typeof import('onnxruntime-node');
  readonly #frames: Float32Array;
  readonly #states: Float32Array;
  readonly #probabilities: Float32Array;
  readonly #nextStates: Float32Array;
  readonly #tensors = new Map<number, Tensors>();

  private constructor(session: InferenceSession, ort: typeof import('onnxruntime-node'), maxBatch: number) {
    this.#session = session;
    this.#ort = ort;
    this.#frames = new Float32Array(maxBatch * FRAME_VALUES);
    this.#states = new Float32Array(maxBatch * VAD_STATE_SIZE);
    this.#probabilities = new Float32Array(maxBatch);
    this.#nextStates = new Float32Array(maxBatch * VAD_STATE_SIZE);
  }

  /** @throws ERR_SERVICE_UNAVAILABLE when the model or onnxruntime cannot be loaded */
  static async load(options: SileroOptions): Promise<SileroModel> {
    try {
      const file =
        options.modelFile ?? createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v6.onnx');
      const ort = await import('onnxruntime-node');
      const session = await ort.InferenceSession.create(batchedSilero(await readFile(file)), {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        executionMode: 'sequential',
      });
      return new SileroModel(session, ort, options.maxBatch);
    } catch (error) {
      throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'The voice activity model cannot be loaded.', {
        cause: error,
      });
    }
  }

  async run(items: readonly VadBatchItem[]): Promise<void> {
    const batch = items.length;
    const { feeds, fetches } = this.#tensorsFor(batch);
    for (let index = 0; index < batch; index++) {
      const item = items[index]!;
      writeFrames(item.input, this.#frames, index * FRAME_VALUES);
      this.#states.set(item.state, index * VAD_STATE_SIZE);
    }
    await this.#session.run(feeds, fetches);
    for (let index = 0; index < batch; index++) {
      const item = items[index]!;
      item.probability = this.#probabilities[index]!;
      const from = index * VAD_STATE_SIZE;
      item.state.set(this.#nextStates.subarray(from, from + VAD_STATE_SIZE));
    }
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #tensorsFor(batch: number): Tensors {
    let tensors = this.#tensors.get(batch);
    if (tensors === undefined) {
      const tensor = (data: Float32Array, rows: number, columns: number) =>
        new this.#ort.Tensor('float32', data.subarray(0, rows * columns), [rows, columns]);
      tensors = {
        feeds: {
          frames: tensor(this.#frames, batch * SILERO_FRAMES, SILERO_FRAME_SAMPLES),
          state: tensor(this.#states, batch, VAD_STATE_SIZE),
        },
        fetches: {
          output: tensor(this.#probabilities, batch, 1),
          stateN: tensor(this.#nextStates, batch, VAD_STATE_SIZE),
        },
      };
      this.#tensors.set(batch, tensors);
    }
    return tensors;
  }
}
