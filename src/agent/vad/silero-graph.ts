/**
 * Silero's network laid out for many windows at once: the published file computes each window's convolutions by
 * themselves, one small product of matrices after the other, and decides at every run what the shapes of its inputs
 * have settled long before. Here all windows of a batch go through one product a layer, which costs a third. Same
 * weights, same arithmetic; owns the graph and the framing of its input, and runs nothing.
 *
 * Input `frames` [batch * 4, 256]: each window of 576 samples, mirrored at its end by 64, as 4 frames of 256 samples
 * every 128. Input and output `state`/`stateN` [batch, 256]: h, then c. Output `output` [batch, 1].
 */
import {
  graphAttribute,
  newFloatTensor,
  newFloatValue,
  newInt64Tensor,
  newNode,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  readModel,
  tensorAttribute,
  tensorFloats,
  writeModel,
} from '../onnx/index.ts';

export const SILERO_FRAMES = 4;
export const SILERO_FRAME_SAMPLES = 256;
const HOP_SAMPLES = 128;
const HIDDEN = 128;
const BINS = SILERO_FRAME_SAMPLES / 2 + 1;
/** Spectrum in, then what each of the four convolutions puts out. */
const CHANNELS = [BINS, 128, 64, 64, 128] as const;
const KERNEL = 3;

/** Copies a window into `target` at `at` as the graph wants it. @param input 576 samples */
export function writeFrames(input: Float32Array, target: Float32Array, at: number): void {
  const last = SILERO_FRAMES - 1;
  for (let frame = 0; frame < last; frame++) {
    const from = frame * HOP_SAMPLES;
    target.set(input.subarray(from, from + SILERO_FRAME_SAMPLES), at + frame * SILERO_FRAME_SAMPLES);
  }
  const from = last * HOP_SAMPLES;
  const start = at + last * SILERO_FRAME_SAMPLES;
  const there = input.length - from;
  target.set(input.subarray(from), start);
  for (let index = there; index < SILERO_FRAME_SAMPLES; index++) {
    target[start + index] = input[2 * (input.length - 1) - from - index] as number;
  }
}

/**
 * The model file for batches, from the published file of Silero VAD v5 or v6.
 * @throws RangeError when the file is another model
 */
export function batchedSilero(file: Uint8Array): Uint8Array {
  const weights = readWeights(readModel(file));
  const graph = new GraphBuilder();
  graph.float(
    'basis',
    [SILERO_FRAME_SAMPLES, 2 * BINS],
    transposed(weights('stft.forward_basis_buffer', [2 * BINS, 1, 256])),
  );
  graph.add('MatMul', ['frames', 'basis'], ['spectrum']);
  graph.int64('halves', [BINS, BINS]);
  graph.add('Split', ['spectrum', 'halves'], ['real', 'imaginary'], { axis: 1 });
  graph.add('Mul', ['real', 'real'], ['realSquare']);
  graph.add('Mul', ['imaginary', 'imaginary'], ['imaginarySquare']);
  graph.add('Add', ['realSquare', 'imaginarySquare'], ['power']);
  graph.add('Sqrt', ['power'], ['magnitude']);

  for (let layer = 0; layer < 4; layer++) {
    const shape = [CHANNELS[layer + 1]!, CHANNELS[layer]!, KERNEL];
    const kernel = weights(`encoder.${layer}.reparam_conv.weight`, shape);
    // The last two layers see two frames, then one, with zeros beside them: those taps have nothing to weigh.
    const taps = layer === 2 ? [1, 2] : layer === 3 ? [1] : [0, 1, 2];
    graph.float(`kernel${layer}`, [taps.length * shape[1]!, shape[0]!], timeFirst(kernel, taps));
    graph.float(`bias${layer}`, [shape[0]!], weights(`encoder.${layer}.reparam_conv.bias`, [shape[0]!]).values);
  }
  graph.neighborhoods('magnitude', BINS, [0, 1, 2, 3], 'around0');
  graph.layer(0, 'around0', 'sound0');
  graph.neighborhoods('sound0', CHANNELS[1], [0, 2], 'around1');
  graph.layer(1, 'around1', 'sound1');
  graph.reshape('sound1', [-1, 2 * CHANNELS[2]], 'around2');
  graph.layer(2, 'around2', 'sound2');
  graph.layer(3, 'sound2', 'sound3');

  const perGate = [4 * HIDDEN, HIDDEN];
  const recurrent = [weights('decoder.rnn.weight_ih', perGate), weights('decoder.rnn.weight_hh', perGate)];
  graph.float('gateWeights', [2 * HIDDEN, 4 * HIDDEN], stacked(recurrent.map(transposed)));
  const biases = ['ih', 'hh'].map((name) => weights(`decoder.rnn.bias_${name}`, [4 * HIDDEN]).values);
  graph.float('gateBias', [4 * HIDDEN], sum(biases[0]!, biases[1]!));
  graph.int64('stateHalves', [HIDDEN, HIDDEN]);
  graph.add('Split', ['state', 'stateHalves'], ['h', 'c'], { axis: 1 });
  graph.add('Concat', ['sound3', 'h'], ['gateInput'], { axis: 1 });
  graph.add('Gemm', ['gateInput', 'gateWeights', 'gateBias'], ['gates']);
  graph.int64('quarters', [HIDDEN, HIDDEN, HIDDEN, HIDDEN]);
  // PyTorch's order: input, forget, cell, output.
  graph.add('Split', ['gates', 'quarters'], ['gateI', 'gateF', 'gateG', 'gateO'], { axis: 1 });
  for (const gate of ['I', 'F', 'O']) graph.add('Sigmoid', [`gate${gate}`], [`open${gate}`]);
  graph.add('Tanh', ['gateG'], ['candidate']);
  graph.add('Mul', ['openF', 'c'], ['kept']);
  graph.add('Mul', ['openI', 'candidate'], ['taken']);
  graph.add('Add', ['kept', 'taken'], ['cN']);
  graph.add('Tanh', ['cN'], ['cSquashed']);
  graph.add('Mul', ['openO', 'cSquashed'], ['hN']);
  graph.add('Concat', ['hN', 'cN'], ['stateN'], { axis: 1 });
  graph.add('Relu', ['hN'], ['heard']);
  graph.float('outputWeights', [HIDDEN, 1], weights('decoder.decoder.2.weight', [1, HIDDEN, 1]).values);
  graph.float('outputBias', [1], weights('decoder.decoder.2.bias', [1]).values);
  graph.add('Gemm', ['heard', 'outputWeights', 'outputBias'], ['logit']);
  graph.add('Sigmoid', ['logit'], ['output']);
  return graph.finish();
}

interface Weights {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

/** The constants of the branch for 16 kHz, by the end of their names. */
function readWeights(model: OnnxModel): (name: string, dims: readonly number[]) => Weights {
  const constants: OnnxTensor[] = [];
  const collect = (graph: OnnxGraph): void => {
    for (const node of graph.nodes) {
      const tensor = node.op === 'Constant' ? tensorAttribute(node, 'value') : null;
      if (tensor !== null) constants.push({ ...tensor, name: node.outputs[0] ?? '' });
      for (const branch of ['then_branch', 'else_branch']) {
        const inner = node.op === 'If' ? graphAttribute(node, branch) : null;
        if (inner !== null) collect(inner);
      }
    }
  };
  collect(model.graph);
  return (name, dims) => {
    const found = constants.filter(
      (tensor) =>
        tensor.name.endsWith(name) && tensor.dims.join() === dims.join() && tensor.name.includes('then_branch'),
    );
    if (found.length !== 1) throw new RangeError(`The file is no Silero VAD v5 or v6: it has no ${name} [${dims}].`);
    return { dims, values: tensorFloats(found[0]!) };
  };
}

class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, Uint8Array>();

  add(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Readonly<Record<string, number | readonly number[]>>,
  ): void {
    this.#nodes.push(newNode(op, inputs, outputs, attributes));
  }

  float(name: string, dims: readonly number[], values: Float32Array): void {
    this.#initializers.set(name, newFloatTensor(name, dims, values));
  }

  int64(name: string, values: readonly number[]): void {
    this.#initializers.set(name, newInt64Tensor(name, values));
  }

  reshape(input: string, dims: readonly number[], output: string): void {
    this.int64(`${output}Shape`, dims);
    this.add('Reshape', [input, `${output}Shape`], [output]);
  }

  /** A convolution's product and its ReLU, its input laid out by `neighborhoods`. */
  layer(number: number, input: string, output: string): void {
    this.add('Gemm', [input, `kernel${number}`, `bias${number}`], [`${output}Linear`]);
    this.add('Relu', [`${output}Linear`], [output]);
  }

  /** Of 4 frames a window: for each place in `starts` the frame before it, itself and the one after, in one row. */
  neighborhoods(input: string, channels: number, starts: readonly number[], output: string): void {
    this.reshape(input, [-1, SILERO_FRAMES, channels], `${output}Windows`);
    this.int64(`${output}Pads`, [0, 1, 0, 0, 1, 0]);
    this.add('Pad', [`${output}Windows`, `${output}Pads`], [`${output}Padded`]);
    this.reshape(`${output}Padded`, [-1, (SILERO_FRAMES + 2) * channels], `${output}Flat`);
    const places = starts.map((start) => {
      const place = `${output}At${start}`;
      this.int64(`${place}From`, [start * channels]);
      this.int64(`${place}To`, [(start + KERNEL) * channels]);
      this.int64(`${place}Axis`, [1]);
      this.add('Slice', [`${output}Flat`, `${place}From`, `${place}To`, `${place}Axis`], [place]);
      return place;
    });
    this.add('Concat', places, [`${output}Rows`], { axis: 1 });
    this.reshape(`${output}Rows`, [-1, KERNEL * channels], output);
  }

  finish(): Uint8Array {
    const value = (name: string, dims: (number | string)[]) => newFloatValue({ name, dims });
    const graph: OnnxGraph = {
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: [value('frames', ['rows', SILERO_FRAME_SAMPLES]), value('state', ['batch', 2 * HIDDEN])],
      outputs: [value('output', ['batch', 1]), value('stateN', ['batch', 2 * HIDDEN])],
    };
    return writeModel({ graph, opsets: new Map([['', 16]]) });
  }
}

/** [rows, ..., columns] to [columns, rows]. */
function transposed({ dims, values }: Weights): Float32Array {
  const rows = dims[0]!;
  const columns = values.length / rows;
  return Float32Array.from(values, (_, index) => values[(index % rows) * columns + Math.floor(index / rows)]!);
}

/** A kernel [out, in, 3] as [taps * in, out], for rows that hold one frame after the other. */
function timeFirst({ dims, values }: Weights, taps: readonly number[]): Float32Array {
  const [outs, ins] = [dims[0]!, dims[1]!];
  const matrix = new Float32Array(taps.length * ins * outs);
  let at = 0;
  for (const tap of taps) {
    for (let input = 0; input < ins; input++) {
      for (let output = 0; output < outs; output++) matrix[at++] = values[(output * ins + input) * KERNEL + tap]!;
    }
  }
  return matrix;
}

function stacked(parts: readonly Float32Array[]): Float32Array {
  const [first, second] = [parts[0]!, parts[1]!];
  const all = new Float32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function sum(first: Float32Array, second: Float32Array): Float32Array {
  return first.map((value, index) => value + second[index]!);
}
