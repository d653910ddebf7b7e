/** WAV (RIFF, 16-bit PCM) in and out of buffers. No other encodings. */
import { AntipodeError } from '../../errors.ts';

export interface PcmAudio {
  readonly pcm: Int16Array;
  /** Hz. */
  readonly sampleRate: number;
}

const HEADER_BYTES = 44;
const PCM_FORMAT = 1;

/**
 * First channel of a WAV file. A data size larger than the file (written to a pipe) means "to the end".
 * @throws ERR_SERVICE_FAILED when it is not 16-bit PCM
 */
export function parseWav(file: Buffer): PcmAudio {
  if (file.length < 12 || file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') {
    throw malformed('it does not begin with RIFF and WAVE');
  }
  let format: { channels: number; sampleRate: number } | null = null;
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4);
    const size = file.readUInt32LE(at + 4);
    const body = at + 8;
    if (id === 'fmt ') {
      if (size < 16 || body + 16 > file.length) throw malformed('its format is cut off');
      if (file.readUInt16LE(body) !== PCM_FORMAT || file.readUInt16LE(body + 14) !== 16) {
        throw malformed('it is not 16-bit PCM');
      }
      format = { channels: file.readUInt16LE(body + 2), sampleRate: file.readUInt32LE(body + 4) };
    } else if (id === 'data') {
      if (format === null || format.channels < 1) throw malformed('its format is missing');
      const end = Math.min(file.length, body + size);
      const samples = Math.floor((end - body) / (2 * format.channels));
      const pcm = new Int16Array(samples);
      for (let index = 0; index < samples; index++) pcm[index] = file.readInt16LE(body + index * 2 * format.channels);
      return { pcm, sampleRate: format.sampleRate };
    }
    at = body + size + (size % 2);
  }
  throw malformed('it holds no data');
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
