import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  newFloatTensor,
  newFloatValue,
  newNode,
  type OnnxModel,
  readModel,
  writeModel,
} from '../../../../src/agent/onnx/index.ts';
import { leanSmartTurn } from '../../../../src/agent/turn-taking/smart-turn/lean-graph.ts';
import { LogMel, SMART_TURN_FRAMES, SMART_TURN_MELS } from '../../../../src/agent/turn-taking/smart-turn/log-mel.ts';
import { findSmartTurnWeights } from '../../../../src/agent/turn-taking/smart-turn/weights.ts';
import { readWav } from '../../../../src/call/wav.ts';

const SIZE = 64;
const SCALE = 0.05;

/** Quantize, dequantize, softmax, quantize, dequantize, GELU as Smart Turn's file spells it. */
function spelledOut(): OnnxModel {
  const constant = (name: string, value: number) => [name, newFloatTensor(name, [], Float32Array.of(value))] as const;
  return {
    graph: {
      nodes: [
        newNode('QuantizeLinear', ['x', 'scale'], ['xq']),
        newNode('DequantizeLinear', ['xq', 'scale'], ['xd']),
        newNode('Softmax', ['xd'], ['s']),
        newNode('QuantizeLinear', ['s', 'fine'], ['sq']),
        newNode('DequantizeLinear', ['sq', 'fine'], ['sd']),
        newNode('Sub', ['sd', 'x'], ['g']),
        newNode('Div', ['g', 'root'], ['d']),
        newNode('Erf', ['d'], ['e']),
        newNode('Add', ['e', 'one'], ['a']),
        newNode('Mul', ['half', 'a'], ['h']),
        newNode('Mul', ['g', 'h'], ['y']),
      ],
      initializers: new Map([
        constant('scale', SCALE),
        constant('fine', 1 / 255),
        constant('root', Math.SQRT2),
        constant('one', 1),
        constant('half', 0.5),
      ]),
      inputs: [newFloatValue({ name: 'x', dims: [1, SIZE] })],
      outputs: [newFloatValue({ name: 'y', dims: [1, SIZE] })],
    },
    opsets: new Map([['', 18]]),
  };
}

async function run(file: Uint8Array, x: Float32Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(file, { graphOptimizationLevel: 'disabled' });
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [1, SIZE]) });
  await session.release();
  return y!.data as Float32Array;
}

describe('the lean graph', () => {
  test('computes what the graph before it does', async () => {
    const file = writeModel(spelledOut());
    const x = Float32Array.from({ length: SIZE }, (_, index) => ((index * 37) % 64) / 8 - 4);
    const [expected, lean] = await Promise.all([run(file, x), run(leanSmartTurn(file), x)]);
    expect(Math.max(...expected)).toBeGreaterThan(3);
    for (const [index, value] of expected.entries()) expect(lean[index]).toBeCloseTo(value, 5);
  });

  test('has one operator for GELU and no constant that nobody reads', () => {
    const { graph } = readModel(leanSmartTurn(writeModel(spelledOut())));
    const ops = graph.nodes.map(({ op, domain }) => (domain === '' ? op : `${domain}.${op}`));
    expect(ops.slice(-2)).toEqual(['Sub', 'com.microsoft.Gelu']);
    expect([...graph.initializers.keys()].sort()).toEqual(['fine', 'lean.two', 'scale', 'scale_halved']);
  });

  test('leaves alone what only looks like GELU', () => {
    const model = spelledOut();
    model.graph.initializers.set('one', newFloatTensor('one', [], Float32Array.of(2)));
    const { graph } = readModel(leanSmartTurn(writeModel(model)));
    expect(graph.nodes.map(({ op }) => op)).toContain('Erf');
  });
});

const found = await findSmartTurnWeights();
const weightsFile = 'missing' in found ? null : found.weightsFile;

describe.skipIf(weightsFile === null)('the lean graph of the published weights', () => {
  const sessions: ort.InferenceSession[] = [];
  beforeAll(async () => {
    const file = await readFile(weightsFile!);
    for (const each of [file, leanSmartTurn(file)]) {
      sessions.push(await ort.InferenceSession.create(each, { intraOpNumThreads: 1, interOpNumThreads: 1 }));
    }
  });
  afterAll(async () => {
    for (const session of sessions) await session.release();
  });

  test.each(['book-table', 'count', 'goodbye', 'stop', 'what-time'])(
    'judges %s, whole and cut, as the published file does',
    async (name) => {
      const { pcm } = await readWav(`test/audio/${name}.wav`);
      const logMel = new LogMel();
      for (const share of [0.3, 0.5, 0.7, 0.85, 1]) {
        const said = Math.floor(pcm.length * share);
        const heard = new Int16Array(said + 3_200);
        heard.set(pcm.subarray(0, said));
        const features = new ort.Tensor('float32', logMel.compute(heard), [1, SMART_TURN_MELS, SMART_TURN_FRAMES]);
        const answers: number[] = [];
        for (const session of sessions) {
          const { logits } = await session.run({ input_features: features });
          answers.push((logits!.data as Float32Array)[0]!);
        }
        const [published, lean] = answers as [number, number];
        // The integer softmax is a coarse table, so the two are not equal to the last digit.
        expect(Math.abs(published - lean)).toBeLessThan(0.15);
        expect(lean > 0.5).toBe(published > 0.5);
      }
    },
  );
});
