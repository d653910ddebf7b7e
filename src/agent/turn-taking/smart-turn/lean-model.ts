/**
 * Smart Turn's network as it is run: the lean graph with the tokens that a turn of this length needs. Owns the session;
 * computes on the thread that calls it.
 */
import * as ort from 'onnxruntime-node';
import { FRAMES_OF_TOKEN, keptTokens } from './kept-tokens.ts';
import { LEAN_INPUTS, leanSmartTurn } from './lean-graph.ts';
import { SMART_TURN_FRAMES, SMART_TURN_MELS } from './log-mel.ts';

/** Of the file; it has gone through the sigmoid already. */
const OUTPUT = 'logits';

export class LeanModel {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  /** @param file the published ONNX file @throws RangeError or what onnxruntime says of a file that is none */
  static async load(file: Uint8Array): Promise<LeanModel> {
    const session = await ort.InferenceSession.create(leanSmartTurn(file), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
    });
    return new LeanModel(session);
  }

  /**
   * How likely the caller has finished, 0..1.
   * @param features of `LogMel.compute`, 8 s
   * @param samples of sound in it, at 16 kHz; before them lies silence
   * @throws when the model answers with no probability
   */
  async probability(features: Float32Array, samples: number): Promise<number> {
    const { positions, logWeights } = keptTokens(samples);
    const tokens = positions.length;
    const frames = tokens * FRAMES_OF_TOKEN;
    const results = await this.#session.run({
      [LEAN_INPUTS.features]: new ort.Tensor('float32', lastFrames(features, frames), [1, SMART_TURN_MELS, frames]),
      [LEAN_INPUTS.positions]: new ort.Tensor('int64', positions, [tokens]),
      [LEAN_INPUTS.logWeights]: new ort.Tensor('float32', logWeights, [1, 1, 1, tokens]),
    });
    const output = results[OUTPUT]?.data[0];
    if (typeof output !== 'number' || !(output >= 0 && output <= 1)) {
      throw new Error(`the model answered ${output}, which is no probability`);
    }
    return output;
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

/** The last `frames` of each mel; silence is alike wherever it lies. */
function lastFrames(features: Float32Array, frames: number): Float32Array {
  if (frames === SMART_TURN_FRAMES) return features;
  const kept = new Float32Array(SMART_TURN_MELS * frames);
  for (let mel = 0; mel < SMART_TURN_MELS; mel++) {
    kept.set(features.subarray((mel + 1) * SMART_TURN_FRAMES - frames, (mel + 1) * SMART_TURN_FRAMES), mel * frames);
  }
  return kept;
}
