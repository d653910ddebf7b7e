import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  SileroModel,
  VAD_CONTEXT_SAMPLES,
  VAD_INPUT_SAMPLES,
  VAD_STATE_SIZE,
  VAD_WINDOW_SAMPLES,
  type VadBatchItem,
} from '../../../src/agent/vad/silero.ts';
import { roomNoise } from '../../support/memory-call.ts';
import { hasFlite, speech } from '../speech.ts';

let model: SileroModel;
beforeAll(async () => {
  model = await SileroModel.load({ maxBatch: 4 });
});
afterAll(() => model.close());

const newItem = (): VadBatchItem => ({
  input: new Float32Array(VAD_INPUT_SAMPLES),
  state: new Float32Array(VAD_STATE_SIZE),
  probability: 0,
});

function load(item: VadBatchItem, pcm: Int16Array, window: number): void {
  item.input.copyWithin(0, VAD_INPUT_SAMPLES - VAD_CONTEXT_SAMPLES);
  for (let index = 0; index < VAD_WINDOW_SAMPLES; index++) {
    item.input[VAD_CONTEXT_SAMPLES + index] = (pcm[window * VAD_WINDOW_SAMPLES + index] ?? 0) / 32_768;
  }
}

/** Probability of each window, with `others` in the same batch. */
async function probabilities(pcm: Int16Array, others: Int16Array[] = []): Promise<number[]> {
  const streams = [pcm, ...others].map((each) => ({ pcm: each, item: newItem() }));
  const answers: number[] = [];
  for (let window = 0; (window + 1) * VAD_WINDOW_SAMPLES <= pcm.length; window++) {
    for (const stream of streams) load(stream.item, stream.pcm, window);
    await model.run(streams.map(({ item }) => item));
    answers.push(streams[0]!.item.probability);
  }
  return answers;
}

describe('the Silero model', () => {
  test('hears no voice in silence, nor in noise', async () => {
    expect(Math.max(...(await probabilities(new Int16Array(16_000))))).toBeLessThan(0.3);
    expect(Math.max(...(await probabilities(roomNoise(16_000, 2_000))))).toBeLessThan(0.5);
  });

  test.skipIf(!hasFlite)('hears the voice in speech', async () => {
    const answers = await probabilities(await speech('I would like to book a table for two people'));
    expect(answers.filter((probability) => probability > 0.5).length / answers.length).toBeGreaterThan(0.7);
  });

  test.skipIf(!hasFlite)("answers for a call as if the others in the batch weren't there", async () => {
    const voice = await speech('what time is it');
    const alone = await probabilities(voice);
    const batched = await probabilities(voice, [
      roomNoise(voice.length, 3_000),
      await speech('please count to thirty'),
    ]);
    for (const [window, probability] of alone.entries()) expect(batched[window]).toBeCloseTo(probability, 3);
  });

  test('says what is wrong when the model file is missing', async () => {
    const loading = SileroModel.load({ maxBatch: 1, modelFile: '/nowhere/silero.onnx' });
    await expect(loading).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE' });
  });
});
