/**
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as ONNX files need it: fields
 * in and out. Owns no message types.
 */

/** One field of a message: a varint as a number, anything of given length as a view of the message. */
export interface WireField {
  readonly field: number;
  readonly value: number | Uint8Array;
}

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/**
 * The fields of a message in the order in which they lie there. Varints beyond 2^53 lose their low digits.
 * @throws RangeError when `message` ends inside of a field or holds a wire type that ONNX doesn't use
 */
export function* readFields(message: Uint8Array): Generator<WireField> {
  const reader = new VarintReader(message);
  while (reader.at < message.length) {
    const key = reader.next();
    const field = Math.floor(key / 8);
    const wireType = key % 8;
    if (wireType === VARINT) {
      yield { field, value: reader.next() };
      continue;
    }
    const length = wireType === BYTES ? reader.next() : wireType === FIXED_32 ? 4 : wireType === FIXED_64 ? 8 : null;
    if (length === null) throw new RangeError(`Wire type ${wireType} is not used by ONNX.`);
    const end = reader.at + length;
    if (end > message.length) throw new RangeError('The message ends inside of a field.');
    yield { field, value: message.subarray(reader.at, end) };
    reader.at = end;
  }
}

/** Varints that lie one after the other: a packed repeated field. */
export function readPackedVarints(packed: Uint8Array): number[] {
  const reader = new VarintReader(packed);
  const values: number[] = [];
  while (reader.at < packed.length) values.push(reader.next());
  return values;
}

class VarintReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw new RangeError('The message ends inside of a number.');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
}

/** Writes one message, field by field. */
export class MessageWriter {
  readonly #chunks: Uint8Array[] = [];

  /** @param value an integer; a negative one is written as int64 */
  varint(field: number, value: number): this {
    this.#push(field, VARINT);
    this.#number(value);
    return this;
  }

  float(field: number, value: number): this {
    this.#push(field, FIXED_32);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#chunks.push(bytes);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#push(field, BYTES);
    this.#number(value.length);
    this.#chunks.push(value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }

  #push(field: number, wireType: number): void {
    this.#number(field * 8 + wireType);
  }

  #number(value: number): void {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 128n) {
      bytes.push(Number(rest & 127n) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#chunks.push(Uint8Array.from(bytes));
  }
}
