import * as ort from 'onnxruntime-node';
import { expect, test } from 'vitest';
import {
  newFloatTensor,
  newFloatValue,
  newInt64Tensor,
  newNode,
  type OnnxModel,
  readModel,
  readTensor,
  tensorFloats,
  writeModel,
} from '../../../src/agent/onnx/index.ts';

/** Transposes, adds a row, and reshapes to one column. */
const model: OnnxModel = {
  graph: {
    nodes: [
      newNode('Transpose', ['x'], ['t'], { perm: [1, 0] }),
      newNode('Add', ['t', 'row'], ['sum']),
      newNode('Flatten', ['sum'], ['flat'], { axis: -2 }),
      newNode('Reshape', ['flat', 'shape'], ['y']),
    ],
    initializers: new Map([
      ['row', newFloatTensor('row', [2], Float32Array.of(10, 20))],
      ['shape', newInt64Tensor('shape', [-1, 1])],
    ]),
    inputs: [newFloatValue({ name: 'x', dims: [2, 'many'] })],
    outputs: [newFloatValue({ name: 'y', dims: ['all', 1] })],
  },
  opsets: new Map([['', 16]]),
};

test('a model that was written runs in onnxruntime, negative attributes and shapes by name included', async () => {
  const session = await ort.InferenceSession.create(writeModel(model));
  const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]) });
  expect([...(y!.data as Float32Array)]).toEqual([11, 24, 12, 25, 13, 26]);
  expect(y!.dims).toEqual([6, 1]);
  await session.release();
});

test('a model that was written is read as it was', () => {
  const again = readModel(writeModel(model));
  expect(again.opsets).toEqual(model.opsets);
  expect(again.graph.nodes.map(({ op, inputs, outputs }) => ({ op, inputs, outputs }))).toEqual(
    model.graph.nodes.map(({ op, inputs, outputs }) => ({ op, inputs, outputs })),
  );
  const row = readTensor(again.graph.initializers.get('row')!);
  expect(row).toMatchObject({ name: 'row', dims: [2], dataType: 1 });
  expect([...tensorFloats(row)]).toEqual([10, 20]);
});

test('a file that is cut off or no model is refused', () => {
  const file = writeModel(model);
  expect(() => readModel(file.subarray(0, file.length - 20))).toThrow(RangeError);
  expect(() => readModel(Buffer.from('no model'))).toThrow(RangeError);
  expect(() => readModel(new Uint8Array(0))).toThrow(/no graph/);
});

test('the floats of another type of tensor are refused', () => {
  expect(() => tensorFloats(readTensor(newInt64Tensor('counts', [1, 2])))).toThrow(/"counts" holds no floats/);
});
