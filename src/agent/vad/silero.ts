/**
 * The Silero voice activity model (MIT; v6, as shipped inside the npm package @ricky0123/vad-web) on onnxruntime: one
 * run over a batch of windows with each window's own LSTM state. Owns the tensors; who is in a batch and when it runs
 * is the batcher's.
 *
 * Shapes (read from the model): input [batch, 64 + 512] float32 at 16 kHz, state [2, batch, 128] float32, sr int64;
 * output [batch, 1], the probability of voice, and stateN.
 */
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { AntipodeError } from '../../errors.ts';

/** Samples of one window at 16 kHz: 32 ms. */
export const VAD_WINDOW_SAMPLES = 512;
/** Samples of the window before that the model wants to see again. */
export const VAD_CONTEXT_SAMPLES = 64;
export const VAD_INPUT_SAMPLES = VAD_CONTEXT_SAMPLES + VAD_WINDOW_SAMPLES;
/** LSTM state of one stream: two layers of 128. */
export const VAD_STATE_SIZE = 2 * 128;

const LAYER_SIZE = 128;

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

export class SileroModel implements VadModel {
  readonly #session: InferenceSession;
  readonly #newTensor: (data: Float32Array, dimensions: number[]) => Tensor;
  readonly #sampleRate: Tensor;
  readonly #inputs: Float32Array;
  readonly #states: Float32Array;

  private constructor(session: InferenceSession, ort: typeof import('onnxruntime-node'), maxBatch: number) {
    this.#session = session;
    this.#newTensor = (data, dimensions) => new ort.Tensor('float32', data, dimensions);
    this.#sampleRate = new ort.Tensor('int64', BigInt64Array.of(16_000n), []);
    this.#inputs = new Float32Array(maxBatch * VAD_INPUT_SAMPLES);
    this.#states = new Float32Array(maxBatch * VAD_STATE_SIZE);
  }

  /** @throws ERR_SERVICE_UNAVAILABLE when the model or onnxruntime cannot be loaded */
  static async load(options: SileroOptions): Promise<SileroModel> {
    try {
      const file =
        options.modelFile ?? createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v6.onnx');
      const ort = await import('onnxruntime-node');
      const session = await ort.InferenceSession.create(file, {
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
    const inputs = this.#inputs.subarray(0, batch * VAD_INPUT_SAMPLES);
    const states = this.#states.subarray(0, batch * VAD_STATE_SIZE);
    for (let index = 0; index < batch; index++) {
      const item = items[index]!;
      inputs.set(item.input, index * VAD_INPUT_SAMPLES);
      states.set(item.state.subarray(0, LAYER_SIZE), index * LAYER_SIZE);
      states.set(item.state.subarray(LAYER_SIZE), (batch + index) * LAYER_SIZE);
    }
    const result = await this.#session.run({
      input: this.#newTensor(inputs, [batch, VAD_INPUT_SAMPLES]),
      state: this.#newTensor(states, [2, batch, LAYER_SIZE]),
      sr: this.#sampleRate,
    });
    const probabilities = result.output?.data as Float32Array;
    const next = result.stateN?.data as Float32Array;
    for (let index = 0; index < batch; index++) {
      const item = items[index]!;
      item.probability = probabilities[index]!;
      item.state.set(next.subarray(index * LAYER_SIZE, (index + 1) * LAYER_SIZE));
      item.state.set(next.subarray((batch + index) * LAYER_SIZE, (batch + index + 1) * LAYER_SIZE), LAYER_SIZE);
    }
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
