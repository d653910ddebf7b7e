import { expect, test } from 'vitest';
import { buildWav, PcmReader, parseWav, WavReader } from '../../../src/agent/services/wav.ts';

const pcm = Int16Array.from({ length: 500 }, (_, index) => index * 7 - 1_000);
const file = buildWav({ pcm, sampleRate: 22_050 });

/** What a reader gives for bytes that come in pieces of a size. */
function inPieces(reader: PcmReader | WavReader, bytes: Uint8Array, size: number): { pcm: number[]; rates: number[] } {
  const got: number[] = [];
  const rates = new Set<number>();
  for (let at = 0; at < bytes.length; at += size) {
    const audio = reader.push(bytes.subarray(at, at + size));
    if (audio === null) continue;
    got.push(...audio.pcm);
    rates.add(audio.sampleRate);
  }
  return { pcm: got, rates: [...rates] };
}

test.each([1, 3, 44, 45, 10_000])('a WAV file in pieces of %i bytes is what it is as a whole', (size) => {
  expect(inPieces(new WavReader(), file, size)).toEqual({ pcm: [...pcm], rates: [22_050] });
  expect(parseWav(file)).toEqual({ pcm, sampleRate: 22_050 });
});

test.each([0, 0xffff_ffff])('a WAV stream whose length is told as %i goes on to its end', (length) => {
  const streamed = Buffer.from(file);
  streamed.writeUInt32LE(length, 40);
  expect(inPieces(new WavReader(), streamed, 100).pcm).toEqual([...pcm]);
});

test('what stands behind the sound of a WAV file is no sound', () => {
  const tagged = Buffer.concat([file, Buffer.from('LIST\x04\0\0\0abcd', 'latin1')]);
  expect(inPieces(new WavReader(), tagged, 64).pcm).toEqual([...pcm]);
});

test('chunks before the sound are passed over', () => {
  const list = Buffer.from('LIST\x05\0\0\0abcde\0', 'latin1');
  const tagged = Buffer.concat([file.subarray(0, 36), list, file.subarray(36)]);
  expect(inPieces(new WavReader(), tagged, 7).pcm).toEqual([...pcm]);
});

test('of several channels the first is taken', () => {
  const stereo = Buffer.alloc(44 + 8);
  file.copy(stereo, 0, 0, 44);
  stereo.writeUInt16LE(2, 22);
  stereo.writeUInt32LE(8, 40);
  for (const [index, sample] of [1, -1, 2, -2].entries()) stereo.writeInt16LE(sample, 44 + index * 2);
  expect(inPieces(new WavReader(), stereo, 3).pcm).toEqual([1, 2]);
  expect([...parseWav(stereo).pcm]).toEqual([1, 2]);
});

test.each([
  ['a page', Buffer.from('<html>no sound here</html>')],
  ['eight bits', Buffer.from(file).fill(8, 34, 35)],
  ['no channel', Buffer.from(file).fill(0, 22, 24)],
  [
    'a header without end',
    Buffer.concat([file.subarray(0, 36), Buffer.from('JUNK\xff\xff\xff\x7f', 'latin1'), Buffer.alloc(70_000)]),
  ],
])('%s is no WAV file', (_name, bytes) => {
  expect(() => inPieces(new WavReader(), bytes, 1_000)).toThrow(
    expect.objectContaining({ code: 'ERR_SERVICE_FAILED' }),
  );
});

test('plain PCM in odd pieces is whole samples', () => {
  expect(inPieces(new PcmReader(24_000), file.subarray(44), 3)).toEqual({ pcm: [...pcm], rates: [24_000] });
});
