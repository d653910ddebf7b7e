/**
 * Smart Turn's network laid out for less work and less rounding than the published file asks for; weights are used as
 * they lie there. Owns the rewriting; runs nothing.
 *
 * - Activations are not rounded to 8 bits by ranges fixed beforehand: that costs more of the model's judgement than
 *   anything else (docs/turn-taking.md). Matrix products with 8-bit weights round by the range that is there, and take
 *   their bias with them.
 * - GELU is spelled out in five operators, in an order that onnxruntime doesn't recognize; it has one operator for it.
 * - Tokens come in by choice, each with the number that it stands for (kept-tokens.ts): silence in front of the sound
 *   is nearly all of a short turn's cost.
 */
import {
  intAttribute,
  newFloatValue,
  newInt64Tensor,
  newInt64Value,
  newNode,
  ONNX_INT8,
  type OnnxGraph,
  type OnnxNode,
  readModel,
  readTensor,
  tensorFloats,
  valueName,
  writeModel,
} from '../../onnx/index.ts';
import { SMART_TURN_TOKENS } from './kept-tokens.ts';
import { SMART_TURN_MELS } from './log-mel.ts';

/** Names of the lean graph's inputs; frames are two a token, positions are of `keptTokens`. */
export const LEAN_INPUTS = {
  features: 'input_features',
  positions: 'lean.positions',
  logWeights: 'lean.log_weights',
} as const;

/** onnxruntime's own operators. */
const CONTRIB_DOMAIN = 'com.microsoft';

/** @throws RangeError when `file` is no ONNX model, or not Smart Turn v3 */
export function leanSmartTurn(file: Uint8Array): Uint8Array {
  const model = readModel(file);
  const { graph } = model;
  keepActivationsFloat(graph);
  joinGelu(graph);
  multiplyByRangeAtHand(graph);
  takeTokensByChoice(graph);
  model.opsets.set(CONTRIB_DOMAIN, 1);
  dropUnused(graph);
  return writeModel(model);
}

/** Rounding and its undoing, one after the other, are left out; weights are none of it. */
export function keepActivationsFloat(graph: OnnxGraph): void {
  const makers = makersOf(graph);
  const before = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.op !== 'DequantizeLinear') continue;
    const maker = makers.get(node.inputs[0]!);
    if (maker?.op === 'QuantizeLinear') before.set(node.outputs[0]!, maker.inputs[0]!);
  }
  const origin = (name: string): string => {
    const earlier = before.get(name);
    return earlier === undefined ? name : origin(earlier);
  };
  graph.nodes = graph.nodes
    .filter(({ op, outputs }) => op !== 'QuantizeLinear' && !before.has(outputs[0]!))
    .map((node) => ({ ...node, inputs: node.inputs.map(origin) }));
}

/** x / sqrt(2) -> Erf -> + 1 -> 0.5 * -> x * becomes Gelu(x). */
export function joinGelu(graph: OnnxGraph): void {
  const soleReader = soleReaderOf(graph);
  const joined = new Map<OnnxNode, OnnxNode>();
  const dropped = new Set<OnnxNode>();
  for (const divide of graph.nodes) {
    const [x, divisor] = divide.inputs as [string, string];
    if (divide.op !== 'Div' || !holds(graph, divisor, Math.SQRT2)) continue;
    const erf = soleReader(divide, 'Erf');
    const add = soleReader(erf, 'Add');
    const halve = soleReader(add, 'Mul');
    const multiply = soleReader(halve, 'Mul');
    if (!erf || !add || !halve || !multiply?.inputs.includes(x)) continue;
    if (
      !add.inputs.some((input) => holds(graph, input, 1)) ||
      !halve.inputs.some((input) => holds(graph, input, 0.5))
    ) {
      continue;
    }
    for (const node of [divide, erf, add, halve]) dropped.add(node);
    joined.set(multiply, newNode('Gelu', [x], multiply.outputs, {}, CONTRIB_DOMAIN));
  }
  graph.nodes = graph.nodes.filter((node) => !dropped.has(node)).map((node) => joined.get(node) ?? node);
}

/** x * dequantized weights + bias becomes one product that rounds x by its own range. */
export function multiplyByRangeAtHand(graph: OnnxGraph): void {
  const makers = makersOf(graph);
  const soleReader = soleReaderOf(graph);
  const replaced = new Map<OnnxNode, OnnxNode>();
  const dropped = new Set<OnnxNode>();
  for (const product of graph.nodes) {
    if (product.op !== 'MatMul') continue;
    const [x, weights] = product.inputs as [string, string];
    const dequantize = makers.get(weights);
    if (dequantize === undefined || !hasRangeByColumn(graph, dequantize)) continue;
    const add = soleReader(product, 'Add');
    const bias = add?.inputs.find((input) => isRow(graph, input));
    const [output] = (bias === undefined ? product : add!).outputs as [string];
    const inputs = [x, ...dequantize.inputs, ...(bias === undefined ? [] : [bias])];
    replaced.set(
      bias === undefined ? product : add!,
      newNode('DynamicQuantizeMatMul', inputs, [output], {}, CONTRIB_DOMAIN),
    );
    if (bias !== undefined) dropped.add(product);
  }
  graph.nodes = graph.nodes.filter((node) => !dropped.has(node)).map((node) => replaced.get(node) ?? node);
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  graph.nodes = graph.nodes.filter(({ op, outputs }) => op !== 'DequantizeLinear' || read.has(outputs[0]!));
}

function hasRangeByColumn(graph: OnnxGraph, node: OnnxNode): boolean {
  const message = node.op === 'DequantizeLinear' ? graph.initializers.get(node.inputs[0]!) : undefined;
  if (message === undefined || node.inputs.length !== 3) return false;
  const { dims, dataType } = readTensor(message);
  return dims.length === 2 && dataType === ONNX_INT8 && intAttribute(node, 'axis') === 1;
}

function isRow(graph: OnnxGraph, name: string): boolean {
  const message = graph.initializers.get(name);
  return message !== undefined && readTensor(message).dims.length === 1;
}

/**
 * Positions are looked up for the tokens that come in, and every softmax over tokens counts each for as many as it
 * stands for: exp(score + log n) = n exp(score).
 */
function takeTokensByChoice(graph: OnnxGraph): void {
  const table = lengthsAndPositions(graph);
  const kept = 'lean.positions_kept';
  const column = 'lean.log_weights_column';
  const asColumn = 'lean.as_column';
  graph.initializers.set(asColumn, newInt64Tensor(asColumn, [1, -1, 1]));
  const makers = makersOf(graph);
  const rewritten = graph.nodes.flatMap((node) => {
    if (node.op === 'Add' && node.inputs.includes(table)) {
      return [{ ...node, inputs: node.inputs.map((input) => (input === table ? kept : input)) }];
    }
    if (node.op !== 'Softmax') return [node];
    const [scores] = node.inputs as [string];
    // Attention weighs keys along the last axis; the pool at the end weighs tokens along the second of three.
    const weights = makers.get(scores)?.op === 'MatMul' ? LEAN_INPUTS.logWeights : column;
    const weighed = `${scores}_weighed`;
    return [newNode('Add', [scores, weights], [weighed]), { ...node, inputs: [weighed] }];
  });
  graph.nodes = [
    newNode('Gather', [table, LEAN_INPUTS.positions], [kept], { axis: 0 }),
    newNode('Reshape', [LEAN_INPUTS.logWeights, asColumn], [column]),
    ...rewritten,
  ];
  graph.inputs = [
    newFloatValue({ name: LEAN_INPUTS.features, dims: ['batch', SMART_TURN_MELS, 'frames'] }),
    newInt64Value({ name: LEAN_INPUTS.positions, dims: ['tokens'] }),
    newFloatValue({ name: LEAN_INPUTS.logWeights, dims: [1, 1, 1, 'tokens'] }),
  ];
}

/** Makes the length that shapes are told of an open one, and finds the table of positions. */
function lengthsAndPositions(graph: OnnxGraph): string {
  const [features] = graph.inputs.map(valueName);
  let table: string | null = null;
  for (const [name, message] of graph.initializers) {
    const { dims, raw } = readTensor(message);
    if (dims.length === 2 && dims[0] === SMART_TURN_TOKENS && name.includes('embed_positions')) table = name;
    if (dims.length !== 1 || dims[0] !== 1 || raw.length !== 8) continue;
    const value = new DataView(raw.buffer, raw.byteOffset).getBigInt64(0, true);
    if (value === BigInt(SMART_TURN_TOKENS)) graph.initializers.set(name, newInt64Tensor(name, [-1]));
  }
  if (table === null || features !== LEAN_INPUTS.features) throw new RangeError('The file is not Smart Turn v3.');
  return table;
}

/** Whether `name` is a constant of this one value. */
function holds(graph: OnnxGraph, name: string, value: number): boolean {
  const message = graph.initializers.get(name);
  if (message === undefined) return false;
  const { raw } = readTensor(message);
  return raw.length === 4 && tensorFloats(readTensor(message))[0] === Math.fround(value);
}

/** Who makes each value. */
function makersOf(graph: OnnxGraph): Map<string, OnnxNode> {
  return new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node])));
}

/** The node that reads a node's output, when it is the only one and of this kind. */
function soleReaderOf(graph: OnnxGraph) {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const known = readers.get(input);
      if (known === undefined) readers.set(input, [node]);
      else known.push(node);
    }
  }
  return (node: OnnxNode | undefined, op: string): OnnxNode | undefined => {
    const found = node === undefined ? [] : (readers.get(node.outputs[0] ?? '') ?? []);
    return found.length === 1 && found[0]?.op === op ? found[0] : undefined;
  };
}

/** onnxruntime warns of constants that nobody reads. */
function dropUnused(graph: OnnxGraph): void {
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  for (const name of graph.initializers.keys()) if (!used.has(name)) graph.initializers.delete(name);
}
