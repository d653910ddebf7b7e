/** WAV (RIFF, 16-bit PCM) in and out of buffers, and as it arrives; plain PCM as it arrives. No other encodings. */
import { AntipodeError } from '../../errors.ts';

export interface PcmAudio {
  readonly pcm: Int16Array;
  /** Hz. */
  readonly sampleRate: number;
}

const HEADER_BYTES = 44;
const PCM_FORMAT = 1;

/** Reads audio whose bytes arrive in pieces that may end anywhere. */
export interface AudioReader {
  /**
   * What became whole with these bytes; null while the sample rate is not known yet.
   * @throws ERR_SERVICE_FAILED when it is not 16-bit PCM
   */
  push(bytes: Uint8Array): PcmAudio | null;
}

/** 16-bit little-endian mono without a header. */
export class PcmReader implements AudioReader {
  readonly #sampleRate: number;
  readonly #frames = new FrameReader(1);

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  push(bytes: Uint8Array): PcmAudio {
    return { pcm: this.#frames.push(bytes), sampleRate: this.#sampleRate };
  }
}

/** Longest header: some servers put their name and a date before the sound. */
const MAX_HEADER_BYTES = 65_536;

/** A WAV file, first channel; a data size that a stream cannot know yet (0 or all ones) means "to the end". */
export class WavReader implements AudioReader {
  #header: Buffer = Buffer.alloc(0);
  #format: WavFormat | null = null;
  #frames: FrameReader | null = null;
  #bytesLeft = 0;

  push(bytes: Uint8Array): PcmAudio | null {
    if (this.#frames !== null && this.#format !== null) return this.#sound(bytes, this.#frames, this.#format);
    this.#header = Buffer.concat([this.#header, bytes]);
    const found = findData(this.#header);
    if (found === null) {
      if (this.#header.length > MAX_HEADER_BYTES) throw malformed('its sound does not begin');
      return null;
    }
    const rest = this.#header.subarray(found.at);
    this.#header = Buffer.alloc(0);
    this.#bytesLeft = found.size === 0 || found.size >= 0xffff_fff0 ? Number.POSITIVE_INFINITY : found.size;
    this.#format = found.format;
    this.#frames = new FrameReader(found.format.channels);
    return this.#sound(rest, this.#frames, found.format);
  }

  #sound(bytes: Uint8Array, frames: FrameReader, { sampleRate }: WavFormat): PcmAudio {
    const within = bytes.subarray(0, Math.min(bytes.length, this.#bytesLeft));
    this.#bytesLeft -= within.length;
    return { pcm: frames.push(within), sampleRate };
  }
}

/** The first of some channels of 16-bit little-endian samples. */
class FrameReader {
  readonly #frameBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(channels: number) {
    this.#frameBytes = channels * 2;
  }

  push(bytes: Uint8Array): Int16Array {
    const all = this.#rest.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#rest, bytes]);
    const pcm = new Int16Array(Math.floor(all.length / this.#frameBytes));
    for (let index = 0; index < pcm.length; index++) pcm[index] = all.readInt16LE(index * this.#frameBytes);
    this.#rest = Buffer.from(all.subarray(pcm.length * this.#frameBytes));
    return pcm;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * First channel of a whole WAV file. A data size larger than the file (written to a pipe) means "to the end".
 * @throws ERR_SERVICE_FAILED when it is not 16-bit PCM
 */
export function parseWav(file: Buffer): PcmAudio {
  if (file.length < 12) throw malformed('it does not begin with RIFF and WAVE');
  const found = findData(file);
  if (found === null) throw malformed('it holds no data');
  const { sampleRate, channels } = found.format;
  const end = Math.min(file.length, found.at + found.size);
  return { pcm: new FrameReader(channels).push(file.subarray(found.at, end)), sampleRate };
}

interface WavFormat {
  readonly channels: number;
  /** Hz. */
  readonly sampleRate: number;
}

/** Where the sound begins, of how many bytes it says it is, and its format; null when the file must go on first. */
function findData(file: Buffer): { at: number; size: number; format: WavFormat } | null {
  if (file.length < 12) return null;
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw malformed('it does not begin with RIFF and WAVE');
  }
  let format: WavFormat | null = null;
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const body = at + 8;
    if (id === 'fmt ') {
      if (size < 16) throw malformed('its format is cut off');
      if (body + 16 > file.length) return null;
      if (file.readUInt16LE(body) !== PCM_FORMAT || file.readUInt16LE(body + 14) !== 16) {
        throw malformed('it is not 16-bit PCM');
      }
      format = { channels: file.readUInt16LE(body + 2), sampleRate: file.readUInt32LE(body + 4) };
      if (format.channels < 1 || format.sampleRate < 1) throw malformed('its format says nothing');
    } else if (id === 'data') {
      if (format === null) throw malformed('its format is missing');
      return { at: body, size, format };
    }
    at = body + size + (size % 2);
  }
  return null;
}

/** A mono 16-bit WAV file. */
export function buildWav(audio: PcmAudio): Buffer {
  const dataBytes = audio.pcm.length * 2;
  const file = Buffer.alloc(HEADER_BYTES + dataBytes);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(HEADER_BYTES - 8 + dataBytes, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(PCM_FORMAT, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(audio.sampleRate, 24);
  file.writeUInt32LE(audio.sampleRate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(dataBytes, 40);
  for (let index = 0; index < audio.pcm.length; index++) file.writeInt16LE(audio.pcm[index]!, HEADER_BYTES + index * 2);
  return file;
}

function malformed(reason: string): AntipodeError {
  return new AntipodeError('ERR_SERVICE_FAILED', `Not a WAV file that we read: ${reason}.`);
}
