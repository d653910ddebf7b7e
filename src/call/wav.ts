/**
 * WAV files as a caller's microphone and tape: reads 16-bit PCM (RIFF/WAVE, mono or stereo, 8..48 kHz) into mono
 * samples and writes mono 16-bit PCM as it comes. Owns the format, not rates (see resample.ts) or timing.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { AntipodeError } from '../errors.ts';

/** Longest WAV file that is read: about five minutes of 48 kHz stereo. */
export const MAX_WAV_BYTES = 64 * 1024 * 1024;

const FORMAT_PCM = 1;
/** WAVE_FORMAT_EXTENSIBLE: the true format is the first word of the sub-format GUID. */
const FORMAT_EXTENSIBLE = 0xfffe;
const HEADER_BYTES = 44;

export interface WavAudio {
  /** Hz */
  sampleRate: number;
  /** Mono, full scale +-32768. */
  pcm: Int16Array;
}

function malformed(what: string): AntipodeError {
  return new AntipodeError('ERR_REQUEST_MALFORMED', `not a usable WAV file: ${what}`);
}

interface WavFormat {
  channels: number;
  sampleRate: number;
}

function parseFormat(chunk: Buffer): WavFormat {
  if (chunk.length < 16) throw malformed('its fmt chunk is cut off');
  const code = chunk.readUInt16LE(0);
  const encoding = code === FORMAT_EXTENSIBLE && chunk.length >= 26 ? chunk.readUInt16LE(24) : code;
  const channels = chunk.readUInt16LE(2);
  const sampleRate = chunk.readUInt32LE(4);
  const bits = chunk.readUInt16LE(14);
  if (encoding !== FORMAT_PCM || bits !== 16) {
    throw malformed(`16-bit PCM is needed, it has format ${encoding} with ${bits} bits`);
  }
  if (channels !== 1 && channels !== 2) throw malformed(`mono or stereo is needed, it has ${channels} channels`);
  if (sampleRate < 8_000 || sampleRate > 48_000) {
    throw malformed(`8000 to 48000 Hz is needed, it has ${sampleRate} Hz`);
  }
  return { channels, sampleRate };
}

function parseSamples(data: Buffer, channels: number): Int16Array {
  const pcm = new Int16Array(Math.floor(data.length / (2 * channels)));
  for (let index = 0; index < pcm.length; index++) {
    const at = index * 2 * channels;
    pcm[index] = channels === 1 ? data.readInt16LE(at) : (data.readInt16LE(at) + data.readInt16LE(at + 2)) >> 1;
  }
  return pcm;
}

/**
 * The audio of a WAV file, stereo mixed down.
 * @throws AntipodeError ERR_REQUEST_MALFORMED that says what is wrong with the file
 */
export function parseWav(bytes: Buffer): WavAudio {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    throw malformed('it does not begin with RIFF/WAVE');
  }
  let format: WavFormat | null = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString('latin1', at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const body = bytes.subarray(at + 8, Math.min(at + 8 + size, bytes.length));
    if (name === 'fmt ') format = parseFormat(body);
    if (name === 'data') {
      if (!format) throw malformed('its data chunk comes before its fmt chunk');
      const pcm = parseSamples(body, format.channels);
      if (pcm.length === 0) throw malformed('it holds no audio');
      return { sampleRate: format.sampleRate, pcm };
    }
    at += 8 + size + (size % 2);
  }
  throw malformed('it has no data chunk');
}

/** As `parseWav`, from a file; the error names the path. */
export async function readWav(path: string): Promise<WavAudio> {
  try {
    const { size } = await stat(path);
    if (size > MAX_WAV_BYTES) throw malformed(`it is larger than ${MAX_WAV_BYTES} bytes`);
    return parseWav(await readFile(path));
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new AntipodeError('ERR_REQUEST_MALFORMED', `${path}: ${words}`, { cause: error, path });
  }
}

/** The 44 bytes before `samples` mono 16-bit samples. */
export function wavHeader(sampleRate: number, samples: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(36 + samples * 2, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT_PCM, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(samples * 2, 40);
  return header;
}

/** A mono WAV file that grows; its header is true once `close()` has resolved. */
export class WavWriter {
  readonly path: string;
  readonly sampleRate: number;
  #samples = 0;
  readonly #stream: WriteStream;
  readonly #finished: Promise<void>;
  #closing: Promise<void> | null = null;

  constructor(path: string, sampleRate: number) {
    this.path = path;
    this.sampleRate = sampleRate;
    this.#stream = createWriteStream(path);
    this.#finished = finished(this.#stream);
    // A full disk shows at close(), where somebody waits for it.
    this.#finished.catch(() => {});
    this.#stream.write(wavHeader(sampleRate, 0));
  }

  /** Milliseconds written. */
  get durationMs(): number {
    return (this.#samples * 1_000) / this.sampleRate;
  }

  /** Append a copy of `pcm`. */
  write(pcm: Int16Array): void {
    if (this.#closing) return;
    this.#samples += pcm.length;
    this.#stream.write(Buffer.copyBytesFrom(pcm));
  }

  /** Append silence up to `durationMs` since the beginning. */
  padTo(durationMs: number): void {
    const missing = Math.round((durationMs * this.sampleRate) / 1_000) - this.#samples;
    if (missing > 0) this.write(new Int16Array(missing));
  }

  /** Write the true header. Idempotent; rejects when the file could not be written. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stream.end();
    await this.#finished;
    await using file = await open(this.path, 'r+');
    await file.write(wavHeader(this.sampleRate, this.#samples), 0, HEADER_BYTES, 0);
  }
}
