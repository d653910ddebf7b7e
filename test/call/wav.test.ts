import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseWav, readWav, WavWriter, wavHeader } from '../../src/call/wav.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'antipode-wav-'));
});
afterAll(() => rm(folder, { recursive: true }));

function wav(sampleRate: number, samples: number[]): Buffer {
  return Buffer.concat([wavHeader(sampleRate, samples.length), Buffer.from(Int16Array.from(samples).buffer)]);
}

function changed(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes);
  return bytes;
}

describe('parseWav()', () => {
  test('reads mono', () => {
    expect(parseWav(wav(16_000, [1, -2, 32_767, -32_768]))).toEqual({
      sampleRate: 16_000,
      pcm: Int16Array.of(1, -2, 32_767, -32_768),
    });
  });

  test('mixes stereo down', () => {
    const stereo = changed(wav(48_000, [100, 300, -32_768, -32_768]), (bytes) => bytes.writeUInt16LE(2, 22));
    expect(parseWav(stereo).pcm).toEqual(Int16Array.of(200, -32_768));
  });

  test('skips chunks that it does not know, odd ones with their padding', () => {
    const plain = wav(8_000, [5, 6]);
    const list = Buffer.from('LIST\x03\x00\x00\x00abc\x00', 'latin1');
    const bytes = Buffer.concat([plain.subarray(0, 36), list, plain.subarray(36)]);
    expect(parseWav(bytes).pcm).toEqual(Int16Array.of(5, 6));
  });

  test('takes what there is when the data chunk promises more, as of a recording that was cut off', () => {
    const bytes = changed(wav(8_000, [5, 6]), (one) => one.writeUInt32LE(0xffff_ffff, 40));
    expect(parseWav(bytes).pcm).toEqual(Int16Array.of(5, 6));
  });

  test.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'does not begin with RIFF/WAVE'],
    ['an MP3', Buffer.from('ID3\x04 some bytes of music'), 'does not begin with RIFF/WAVE'],
    ['a file without data', wav(8_000, [1]).subarray(0, 36), 'no data chunk'],
    ['no samples', wav(8_000, []), 'holds no audio'],
    ['float samples', changed(wav(8_000, [1]), (one) => one.writeUInt16LE(3, 20)), '16-bit PCM is needed'],
    ['8 bits', changed(wav(8_000, [1]), (one) => one.writeUInt16LE(8, 34)), '16-bit PCM is needed'],
    ['six channels', changed(wav(8_000, [1]), (one) => one.writeUInt16LE(6, 22)), 'it has 6 channels'],
    ['96 kHz', changed(wav(8_000, [1]), (one) => one.writeUInt32LE(96_000, 24)), 'it has 96000 Hz'],
    ['a short fmt chunk', Buffer.from('RIFF....WAVEfmt \x02\x00\x00\x00\x01\x00', 'latin1'), 'cut off'],
  ])('refuses %s and says why', (_, bytes, words) => {
    expect(() => parseWav(bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', message: expect.stringContaining(words) }),
    );
  });
});

describe('readWav()', () => {
  test('names the file that is not there or not usable', async () => {
    const text = join(folder, 'text.wav');
    await writeFile(text, 'hello');
    for (const path of [join(folder, 'missing.wav'), text, folder]) {
      await expect(readWav(path)).rejects.toMatchObject({
        code: 'ERR_REQUEST_MALFORMED',
        path,
        message: expect.stringContaining(path),
      });
    }
  });
});

describe('WavWriter', () => {
  test('writes what was appended, silence for time that passed, and a true header', async () => {
    const path = join(folder, 'out.wav');
    const writer = new WavWriter(path, 8_000);
    writer.write(Int16Array.of(1, 2, 3, 4));
    expect(writer.durationMs).toBe(0.5);
    writer.padTo(1);
    writer.padTo(0.25);
    writer.write(Int16Array.of(9));
    await writer.close();
    await writer.close();
    writer.write(Int16Array.of(7));
    expect(parseWav(await readFile(path))).toEqual({
      sampleRate: 8_000,
      pcm: Int16Array.of(1, 2, 3, 4, 0, 0, 0, 0, 9),
    });
    expect(await readFile(path)).toHaveLength(44 + 18);
  });

  test('close() rejects when the file could not be written', async () => {
    const writer = new WavWriter(join(folder, 'no-such-folder', 'out.wav'), 8_000);
    writer.write(Int16Array.of(1));
    await expect(writer.close()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
