import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  newFloatTensor,
  newFloatValue,
  newInt8Tensor,
  newNode,
  type OnnxModel,
  readModel,
  writeModel,
} from '../../../../src/agent/onnx/index.ts';
import {
  joinGelu,
  keepActivationsFloat,
  multiplyByRangeAtHand,
} from '../../../../src/agent/turn-taking/smart-turn/lean-graph.ts';
import { LeanModel } from '../../../../src/agent/turn-taking/smart-turn/lean-model.ts';
import { LogMel, SMART_TURN_FRAMES, SMART_TURN_MELS } from '../../../../src/agent/turn-taking/smart-turn/log-mel.ts';
import { findSmartTurnWeights } from '../../../../src/agent/turn-taking/smart-turn/weights.ts';
import { readWav } from '../../../../src/call/wav.ts';
import { noise } from './signals.ts';

const SIZE = 16;
const SCALE = 0.05;

/** Round, unround, times 8-bit weights, round, unround, plus bias, GELU as Smart Turn's file spells it. */
function spelledOut(): OnnxModel {
  const constant = (name: string, value: number) => [name, newFloatTensor(name, [], Float32Array.of(value))] as const;
  const row = (name: string, of: (index: number) => number) =>
    [
      name,
      newFloatTensor(
        name,
        [SIZE],
        Float32Array.from({ length: SIZE }, (_, index) => of(index)),
      ),
    ] as const;
  const weights = Int8Array.from({ length: SIZE * SIZE }, (_, index) => ((index * 37) % 255) - 127);
  return {
    graph: {
      nodes: [
        newNode('QuantizeLinear', ['x', 'scale', 'zero'], ['xq']),
        newNode('DequantizeLinear', ['xq', 'scale', 'zero'], ['xd']),
        newNode('DequantizeLinear', ['w', 'w_scale', 'w_zero'], ['wd'], { axis: 1 }),
        newNode('MatMul', ['xd', 'wd'], ['p']),
        newNode('QuantizeLinear', ['p', 'scale', 'zero'], ['pq']),
        newNode('DequantizeLinear', ['pq', 'scale', 'zero'], ['pd']),
        newNode('Add', ['pd', 'bias'], ['g']),
        newNode('Div', ['g', 'root'], ['d']),
        newNode('Erf', ['d'], ['e']),
        newNode('Add', ['e', 'one'], ['a']),
        newNode('Mul', ['half', 'a'], ['h']),
        newNode('Mul', ['g', 'h'], ['y']),
      ],
      initializers: new Map([
        constant('scale', SCALE),
        constant('root', Math.SQRT2),
        constant('one', 1),
        constant('half', 0.5),
        ['zero', newInt8Tensor('zero', [], new Int8Array(1))] as const,
        ['w', newInt8Tensor('w', [SIZE, SIZE], weights)] as const,
        ['w_zero', newInt8Tensor('w_zero', [SIZE], new Int8Array(SIZE))] as const,
        row('w_scale', (index) => 0.002 + index / 10_000),
        row('bias', (index) => index / 8 - 1),
      ]),
      inputs: [newFloatValue({ name: 'x', dims: [1, SIZE] })],
      outputs: [newFloatValue({ name: 'y', dims: [1, SIZE] })],
    },
    opsets: new Map([
      ['', 18],
      ['com.microsoft', 1],
    ]),
  };
}

/** Multiples of `SCALE`: rounding by it changes nothing of them. */
const X = Float32Array.from({ length: SIZE }, (_, index) => Math.fround((((index * 37) % 64) - 32) * 2 * SCALE));

async function run(model: OnnxModel): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(writeModel(model), { graphOptimizationLevel: 'disabled' });
  const { y } = await session.run({ x: new ort.Tensor('float32', X, [1, SIZE]) });
  await session.release();
  return y!.data as Float32Array;
}

const opsOf = ({ graph }: OnnxModel) => graph.nodes.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`));

describe('the lean graph', () => {
  test('leaves out the rounding of activations and nothing else', async () => {
    const model = spelledOut();
    const rounded = await run(model);
    keepActivationsFloat(model.graph);
    expect(opsOf(model).filter((op) => op.endsWith('Linear'))).toEqual(['DequantizeLinear']);
    const exact = await run(model);
    for (const [index, value] of exact.entries()) expect(Math.abs(value - rounded[index]!)).toBeLessThan(SCALE);
    expect(Math.max(...exact)).toBeGreaterThan(0.5);
    expect([...exact]).not.toEqual([...rounded]);
  });

  test('rounds a product by the range at hand, its bias with it', async () => {
    const model = spelledOut();
    keepActivationsFloat(model.graph);
    const exact = await run(model);
    multiplyByRangeAtHand(model.graph);
    expect(opsOf(model).slice(0, 2)).toEqual(['com.microsoft.DynamicQuantizeMatMul', 'Div']);
    // 1/255 of the range of x, times the column's weights.
    for (const [index, value] of (await run(model)).entries())
      expect(Math.abs(value - exact[index]!)).toBeLessThan(0.05);
  });

  test('has one operator for GELU', async () => {
    const model = spelledOut();
    const expected = await run(model);
    joinGelu(model.graph);
    expect(opsOf(model).slice(-2)).toEqual(['Add', 'com.microsoft.Gelu']);
    for (const [index, value] of (await run(model)).entries()) expect(value).toBeCloseTo(expected[index]!, 5);
  });

  test('leaves alone what only looks like GELU, and weights with one range for all', () => {
    const model = spelledOut();
    model.graph.initializers.set('one', newFloatTensor('one', [], Float32Array.of(2)));
    model.graph.nodes[2] = newNode('DequantizeLinear', ['w', 'scale'], ['wd']);
    joinGelu(model.graph);
    multiplyByRangeAtHand(model.graph);
    expect(opsOf(model)).toEqual(opsOf(spelledOut()));
  });

  test('refuses a model that is not Smart Turn', async () => {
    await expect(LeanModel.load(writeModel(spelledOut()))).rejects.toThrow('not Smart Turn');
  });
});

const found = await findSmartTurnWeights();
const weightsFile = 'missing' in found ? null : found.weightsFile;

describe.skipIf(weightsFile === null)('the lean graph of the published weights', () => {
  let exact: ort.InferenceSession;
  let lean: LeanModel;
  const logMel = new LogMel();
  beforeAll(async () => {
    const file = await readFile(weightsFile!);
    const model = readModel(file);
    keepActivationsFloat(model.graph);
    exact = await ort.InferenceSession.create(writeModel(model), { intraOpNumThreads: 1, logSeverityLevel: 3 });
    lean = await LeanModel.load(file);
  });
  afterAll(async () => {
    await exact?.release();
    await lean?.release();
  });

  const judge = async (heard: Int16Array) => {
    const features = logMel.compute(heard);
    const input = new ort.Tensor('float32', features, [1, SMART_TURN_MELS, SMART_TURN_FRAMES]);
    const { logits } = await exact.run({ input_features: input });
    return { expected: (logits!.data as Float32Array)[0]!, answered: await lean.probability(features, heard.length) };
  };

  test('judges clips, whole and cut, as the network without rounding and with all of its tokens', async () => {
    const judged: Awaited<ReturnType<typeof judge>>[] = [];
    for (const name of ['book-table', 'count', 'goodbye', 'stop', 'what-time']) {
      const { pcm } = await readWav(`test/audio/${name}.wav`);
      for (const share of [0.3, 0.5, 0.7, 0.85, 1]) {
        const said = Math.floor(pcm.length * share);
        const heard = new Int16Array(said + 3_200);
        heard.set(pcm.subarray(0, said));
        judged.push(await judge(heard));
      }
    }
    const differences = judged.map(({ expected, answered }) => Math.abs(expected - answered));
    const verdicts = judged.filter(({ expected, answered }) => expected > 0.5 === answered > 0.5).length;
    // Where the network itself wavers the verdict may fall either way; it does of one clip in 25.
    expect(differences.reduce((sum, each) => sum + each, 0) / judged.length).toBeLessThan(0.12);
    expect(verdicts).toBeGreaterThanOrEqual(23);
  });

  test('of 8 s of sound nothing is left out: only the products round', async () => {
    const { expected, answered } = await judge(noise(128_000, 3_000));
    expect(Math.abs(expected - answered)).toBeLessThan(0.01);
  });
});
