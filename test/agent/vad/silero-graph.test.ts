import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { newNode, readModel, writeModel } from '../../../src/agent/onnx/index.ts';
import {
  SileroModel,
  VAD_CONTEXT_SAMPLES,
  VAD_INPUT_SAMPLES,
  VAD_STATE_SIZE,
  VAD_WINDOW_SAMPLES,
} from '../../../src/agent/vad/silero.ts';
import { batchedSilero, writeFrames } from '../../../src/agent/vad/silero-graph.ts';
import { readWav } from '../../../src/call/wav.ts';
import { roomNoise } from '../../support/memory-call.ts';

const published = createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v6.onnx');
const recordings = ['book-table', 'count', 'goodbye', 'stop', 'what-time'];

/** What the published file says of each window, by itself. */
async function publishedProbabilities(pcm: Int16Array): Promise<number[]> {
  const session = await ort.InferenceSession.create(published, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new Float32Array(VAD_INPUT_SAMPLES);
  let state = new Float32Array(VAD_STATE_SIZE);
  const answers: number[] = [];
  for (const window of windows(pcm)) {
    load(input, window);
    const { output, stateN } = await session.run({
      input: new ort.Tensor('float32', input, [1, VAD_INPUT_SAMPLES]),
      state: new ort.Tensor('float32', state, [2, 1, VAD_STATE_SIZE / 2]),
      sr: new ort.Tensor('int64', BigInt64Array.of(16_000n), []),
    });
    state = stateN!.data as Float32Array<ArrayBuffer>;
    answers.push((output!.data as Float32Array)[0]!);
  }
  await session.release();
  return answers;
}

async function ourProbabilities(pcm: Int16Array): Promise<number[]> {
  const model = await SileroModel.load({ maxBatch: 1 });
  const item = { input: new Float32Array(VAD_INPUT_SAMPLES), state: new Float32Array(VAD_STATE_SIZE), probability: 0 };
  const answers: number[] = [];
  for (const window of windows(pcm)) {
    load(item.input, window);
    await model.run([item]);
    answers.push(item.probability);
  }
  await model.close();
  return answers;
}

function* windows(pcm: Int16Array): Generator<Int16Array> {
  for (let at = 0; at + VAD_WINDOW_SAMPLES <= pcm.length; at += VAD_WINDOW_SAMPLES) {
    yield pcm.subarray(at, at + VAD_WINDOW_SAMPLES);
  }
}

function load(input: Float32Array, window: Int16Array): void {
  input.copyWithin(0, VAD_INPUT_SAMPLES - VAD_CONTEXT_SAMPLES);
  for (const [index, sample] of window.entries()) input[VAD_CONTEXT_SAMPLES + index] = sample / 32_768;
}

describe('the graph for batches', () => {
  test.each(recordings)('says of every window of %s what the published file says', async (name) => {
    const { pcm } = await readWav(`test/audio/${name}.wav`);
    const [expected, ours] = await Promise.all([publishedProbabilities(pcm), ourProbabilities(pcm)]);
    expect(expected.filter((probability) => probability > 0.5).length).toBeGreaterThan(5);
    expect(Math.max(...expected.map((probability, window) => Math.abs(probability - ours[window]!)))).toBeLessThan(
      1e-5,
    );
  });

  test('says of noise what the published file says', async () => {
    const noise = roomNoise(16_000, 3_000);
    const [expected, ours] = await Promise.all([publishedProbabilities(noise), ourProbabilities(noise)]);
    for (const [window, probability] of expected.entries()) expect(ours[window]).toBeCloseTo(probability, 5);
  });

  test('is refused for another model, by the name of what is missing', async () => {
    const model = readModel(await readFile(published));
    const other = writeModel({
      ...model,
      graph: { ...model.graph, nodes: [newNode('Identity', ['input'], ['output'])] },
    });
    expect(() => batchedSilero(other)).toThrow(/no Silero VAD .* stft\.forward_basis_buffer/);
  });
});

test('a window becomes four overlapping frames, mirrored at its end', () => {
  const input = Float32Array.from({ length: VAD_INPUT_SAMPLES }, (_, index) => index);
  const frames = new Float32Array(2_048);
  writeFrames(input, frames, 1_024);
  const starts = [0, 1, 2, 3].map((frame) => frames[1_024 + frame * 256]);
  expect(starts).toEqual([0, 128, 256, 384]);
  expect([...frames.subarray(2_048 - 66, 2_048 - 62)]).toEqual([574, 575, 574, 573]);
  expect(frames.at(-1)).toBe(511);
});
