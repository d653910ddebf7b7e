/**
 * ONNX models as data (github.com/onnx/onnx, onnx/onnx.proto): what a model file holds, read and written, so that a
 * graph can be laid out anew for how it is used here. Runs nothing and knows no particular model.
 */
import { MessageWriter, readFields, readPackedVarints } from './protobuf.ts';

export interface OnnxNode {
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** AttributeProtos as they lie in the file. */
  readonly attributes: readonly Uint8Array[];
}

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** TensorProto.DataType: 1 float, 2 uint8, 3 int8, 6 int32, 7 int64. */
  readonly dataType: number;
  /** Little endian values. */
  readonly raw: Uint8Array;
}

/** A value that comes in or goes out; a dimension by name is known at the run only. */
export interface OnnxValue {
  readonly name: string;
  readonly dims: readonly (number | string)[];
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  /** TensorProtos as they lie in the file, by name. */
  readonly initializers: Map<string, Uint8Array>;
  /** ValueInfoProtos as they lie in the file. */
  inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

export interface OnnxModel {
  readonly graph: OnnxGraph;
  /** Version of each domain's operators. */
  readonly opsets: Map<string, number>;
}

export const ONNX_FLOAT = 1;
export const ONNX_INT8 = 3;
export const ONNX_INT64 = 7;
const IR_VERSION = 8;
const ATTRIBUTE_TYPES = { int: 2, ints: 7 } as const;

/** @throws RangeError when `file` is no ONNX model */
export function readModel(file: Uint8Array): OnnxModel {
  let graph: OnnxGraph | null = null;
  const opsets = new Map<string, number>();
  for (const { field, value } of readFields(file)) {
    if (field === 7 && typeof value !== 'number') graph = readGraph(value);
    else if (field === 8 && typeof value !== 'number') {
      const strings = textFields(value, 1);
      for (const inner of readFields(value)) {
        if (inner.field === 2 && typeof inner.value === 'number') opsets.set(strings[0] ?? '', inner.value);
      }
    }
  }
  if (graph === null) throw new RangeError('The file holds no graph.');
  return { graph, opsets };
}

export function writeModel({ graph, opsets }: OnnxModel): Uint8Array {
  const inner = new MessageWriter();
  for (const node of graph.nodes) inner.bytes(1, writeNode(node));
  inner.text(2, 'antipode');
  for (const initializer of graph.initializers.values()) inner.bytes(5, initializer);
  for (const input of graph.inputs) inner.bytes(11, input);
  for (const output of graph.outputs) inner.bytes(12, output);
  const model = new MessageWriter().varint(1, IR_VERSION).text(2, 'antipode').bytes(7, inner.finish());
  for (const [domain, version] of opsets)
    model.bytes(8, new MessageWriter().text(1, domain).varint(2, version).finish());
  return model.finish();
}

export function readGraph(message: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, Uint8Array>();
  const inputs: Uint8Array[] = [];
  const outputs: Uint8Array[] = [];
  for (const { field, value } of readFields(message)) {
    if (typeof value === 'number') continue;
    if (field === 1) nodes.push(readNode(value));
    else if (field === 5) initializers.set(textFields(value, 8)[0] ?? '', value);
    else if (field === 11) inputs.push(value);
    else if (field === 12) outputs.push(value);
  }
  return { nodes, initializers, inputs, outputs };
}

function readNode(message: Uint8Array): OnnxNode {
  const attributes: Uint8Array[] = [];
  for (const { field, value } of readFields(message)) {
    if (field === 5 && typeof value !== 'number') attributes.push(value);
  }
  return {
    op: textFields(message, 4)[0] ?? '',
    domain: textFields(message, 7)[0] ?? '',
    inputs: textFields(message, 1),
    outputs: textFields(message, 2),
    attributes,
  };
}

function writeNode({ op, domain, inputs, outputs, attributes }: OnnxNode): Uint8Array {
  const writer = new MessageWriter();
  for (const input of inputs) writer.text(1, input);
  for (const output of outputs) writer.text(2, output);
  writer.text(4, op);
  for (const attribute of attributes) writer.bytes(5, attribute);
  if (domain !== '') writer.text(7, domain);
  return writer.finish();
}

/** A node of our own; attributes are integers or lists of them. */
export function newNode(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
  domain = '',
): OnnxNode {
  const encoded = Object.entries(attributes).map(([name, value]) => {
    const writer = new MessageWriter().text(1, name);
    if (typeof value === 'number') return writer.varint(3, value).varint(20, ATTRIBUTE_TYPES.int).finish();
    for (const one of value) writer.varint(8, one);
    return writer.varint(20, ATTRIBUTE_TYPES.ints).finish();
  });
  return { op, domain, inputs, outputs, attributes: encoded };
}

/** The integer in the attribute `name` of a node, or null. */
export function intAttribute(node: OnnxNode, name: string): number | null {
  const attribute = node.attributes.find((each) => textFields(each, 1)[0] === name);
  if (attribute === undefined) return null;
  for (const { field, value } of readFields(attribute)) if (field === 3 && typeof value === 'number') return value;
  // Protocol Buffers leave out what is zero.
  return 0;
}

/** The name of an input or output of a graph. */
export function valueName(message: Uint8Array): string {
  return textFields(message, 1)[0] ?? '';
}

/** The tensor in the attribute `name` of a node (a Constant's `value`), or null. */
export function tensorAttribute(node: OnnxNode, name: string): OnnxTensor | null {
  const found = attributeField(node, name, 5);
  return found === null ? null : readTensor(found);
}

/** The graph in the attribute `name` of a node (a branch of an If), or null. */
export function graphAttribute(node: OnnxNode, name: string): OnnxGraph | null {
  const found = attributeField(node, name, 6);
  return found === null ? null : readGraph(found);
}

function attributeField(node: OnnxNode, name: string, wanted: number): Uint8Array | null {
  const attribute = node.attributes.find((each) => textFields(each, 1)[0] === name);
  if (attribute === undefined) return null;
  for (const { field, value } of readFields(attribute)) {
    if (field === wanted && typeof value !== 'number') return value;
  }
  return null;
}

/** Values that lie elsewhere than in `raw_data` or `float_data` are left out: `raw` is empty then. */
export function readTensor(message: Uint8Array): OnnxTensor {
  const dims: number[] = [];
  let dataType = 0;
  let raw: Uint8Array = new Uint8Array(0);
  for (const { field, value } of readFields(message)) {
    if (field === 1) dims.push(...(typeof value === 'number' ? [value] : readPackedVarints(value)));
    else if (field === 2 && typeof value === 'number') dataType = value;
    else if ((field === 9 || field === 4) && typeof value !== 'number') raw = value;
  }
  return { name: textFields(message, 8)[0] ?? '', dims, dataType, raw };
}

/** Values of a float tensor, copied. @throws RangeError when it is none or has another length than its shape */
export function tensorFloats({ name, dims, dataType, raw }: OnnxTensor): Float32Array {
  const length = dims.reduce((product, dim) => product * dim, 1);
  if (dataType !== ONNX_FLOAT || raw.length !== length * 4) throw new RangeError(`Tensor "${name}" holds no floats.`);
  const bytes = new Uint8Array(raw);
  return new Float32Array(bytes.buffer, 0, length);
}

export function newFloatTensor(name: string, dims: readonly number[], values: Float32Array): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return newTensor(name, dims, ONNX_FLOAT, raw);
}

export function newInt8Tensor(name: string, dims: readonly number[], values: Int8Array): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return newTensor(name, dims, ONNX_INT8, raw);
}

export function newInt64Tensor(name: string, values: readonly number[]): Uint8Array {
  const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return newTensor(name, [values.length], ONNX_INT64, raw);
}

function newTensor(name: string, dims: readonly number[], dataType: number, raw: Uint8Array): Uint8Array {
  const writer = new MessageWriter();
  for (const dim of dims) writer.varint(1, dim);
  return writer.varint(2, dataType).text(8, name).bytes(9, raw).finish();
}

export function newFloatValue(value: OnnxValue): Uint8Array {
  return newValue(value, ONNX_FLOAT);
}

export function newInt64Value(value: OnnxValue): Uint8Array {
  return newValue(value, ONNX_INT64);
}

function newValue({ name, dims }: OnnxValue, dataType: number): Uint8Array {
  const shape = new MessageWriter();
  for (const dim of dims) {
    const writer = new MessageWriter();
    shape.bytes(1, (typeof dim === 'number' ? writer.varint(1, dim) : writer.text(2, dim)).finish());
  }
  const tensorType = new MessageWriter().varint(1, dataType).bytes(2, shape.finish()).finish();
  return new MessageWriter().text(1, name).bytes(2, new MessageWriter().bytes(1, tensorType).finish()).finish();
}

function textFields(message: Uint8Array, wanted: number): string[] {
  const texts: string[] = [];
  for (const { field, value } of readFields(message)) {
    if (field === wanted && typeof value !== 'number') texts.push(Buffer.from(value).toString('utf8'));
  }
  return texts;
}
