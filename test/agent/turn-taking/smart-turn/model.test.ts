/**
 * The real model in its real thread, where the weights have been fetched. That the probabilities are what the model
 * gives is asked here; how well they fit callers is not, and can't be with synthetic voices: see docs/turn-taking.md.
 */
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SmartTurn } from '../../../../src/agent/turn-taking/smart-turn/smart-turn.ts';
import { findSmartTurnWeights } from '../../../../src/agent/turn-taking/smart-turn/weights.ts';
import { systemClock } from '../../../../src/clock.ts';
import { createMetrics, silentLogger } from '../../../../src/telemetry/index.ts';
import { hasFlite, speech } from '../../speech.ts';
import { noise } from './signals.ts';

const found = await findSmartTurnWeights();
const weightsFile = 'missing' in found ? null : found.weightsFile;
const needs = weightsFile === null ? ' (skipped: no weights here; node scripts/setup/smart-turn-weights.mjs)' : '';
/** The pause after which the model's makers ask it: 200 ms. */
const PAUSE_SAMPLES = 3_200;
/** A busy machine may take its time. */
const TIMEOUT_MS = 20_000;

const load = (file: string) =>
  SmartTurn.load({
    weightsFile: file,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    timeoutMs: TIMEOUT_MS,
  });

describe.skipIf(weightsFile === null)(`the Smart Turn model${needs}`, () => {
  let model: SmartTurn;
  beforeAll(async () => {
    model = await load(weightsFile!);
  });
  afterAll(() => model?.close());

  // What onnxruntime 1.31 for Python answers to the features of transformers' WhisperFeatureExtractor when activations
  // are not rounded to 8 bits.
  test.each([
    ['noise', () => noise(16_000, 3_000), 0.98],
    ['8 s of noise', () => noise(128_000, 3_000), 0.973],
  ])('answers to %s as the reference implementation does', async (_, make, expected) => {
    expect(Math.abs((await model.probability(make())) - expected)).toBeLessThan(0.05);
  });

  // One sentence with a wide margin, so that it holds on other CPUs. Many others of this voice are judged wrongly.
  test.skipIf(!hasFlite)('tells this sentence from itself cut in the middle', async () => {
    const sentence = await speech('Please cancel my appointment on Friday.');
    const end = sentence.findLastIndex((sample) => Math.abs(sample) >= 200);
    const room = noise(PAUSE_SAMPLES + end, 4);
    const thenSilence = (samples: number) =>
      room.slice(0, samples + PAUSE_SAMPLES).map((quiet, at) => quiet + (at < samples ? sentence[at]! : 0));
    expect(await model.probability(thenSilence(end))).toBeGreaterThan(0.7);
    expect(await model.probability(thenSilence(Math.floor(end * 0.55)))).toBeLessThan(0.5);
  });

  test('the event loop goes on turning while the model runs', async () => {
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await model.probability(noise(128_000, 3_000));
    running = false;
    expect(turns).toBeGreaterThan(20);
  });
});

test('a file that is no model is refused with the reason', async () => {
  const file = join(tmpdir(), `antipode-no-model-${process.pid}.onnx`);
  await writeFile(file, 'no model');
  onTestFinished(() => rm(file, { force: true }));
  await expect(load(file)).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE', cause: expect.any(Error) });
});
