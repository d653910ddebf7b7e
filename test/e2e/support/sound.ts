/** Sound for the end-to-end tests: 16 kHz mono PCM in and out of WAV files, energy, and an independent recognizer. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const RATE = 16_000;
const MODEL = '/usr/share/pocketsphinx/model/en-us';

export function silence(seconds: number): Int16Array {
  return new Int16Array(Math.round(seconds * RATE));
}

export function concat(...parts: Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** flite speaks `text` (voice slt, 16 kHz). */
export async function speak(text: string): Promise<Int16Array> {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-speak-'));
  try {
    const file = join(folder, 'speech.wav');
    await run('flite', ['-voice', 'slt', '-t', text, '-o', file]);
    return decodeWav(await readFile(file));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** PCM 16 bit, mono, 16 kHz only: what flite writes and what these tests write. */
export function decodeWav(wav: Buffer): Int16Array {
  if (wav.toString('latin1', 0, 4) !== 'RIFF' || wav.readUInt32LE(24) !== RATE || wav.readUInt16LE(22) !== 1) {
    throw new Error('not a 16 kHz mono WAV');
  }
  const data = wav.indexOf('data', 12, 'latin1');
  const bytes = wav.subarray(data + 8, data + 8 + wav.readUInt32LE(data + 4));
  const pcm = new Int16Array(bytes.length >> 1);
  for (let index = 0; index < pcm.length; index++) pcm[index] = bytes.readInt16LE(index * 2);
  return pcm;
}

export function encodeWav(pcm: Int16Array): Buffer {
  const wav = Buffer.alloc(44 + pcm.length * 2);
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(36 + pcm.length * 2, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(RATE * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(pcm.length * 2, 40);
  for (let index = 0; index < pcm.length; index++) wav.writeInt16LE(pcm[index] as number, 44 + index * 2);
  return wav;
}

/** Root mean square of each 20 ms window. */
export function levels(pcm: Int16Array): number[] {
  const step = RATE / 50;
  const found: number[] = [];
  for (let at = 0; at + step <= pcm.length; at += step) {
    let sum = 0;
    for (let index = at; index < at + step; index++) sum += (pcm[index] as number) ** 2;
    found.push(Math.sqrt(sum / step));
  }
  return found;
}

/** Spans of sound in seconds: louder than `threshold`, joined over pauses shorter than `joinSeconds`. */
export function spans(pcm: Int16Array, threshold = 150, joinSeconds = 0.7): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const [index, level] of levels(pcm).entries()) {
    if (level < threshold) continue;
    const at = index * 0.02;
    const last = found.at(-1);
    if (last && at - last.to < joinSeconds) last.to = at + 0.02;
    else found.push({ from: at, to: at + 0.02 });
  }
  return found;
}

/** What pocketsphinx hears under a JSGF grammar: the text of `public <...> = rule`. Not the product's own recognizer. */
export async function recognize(pcm: Int16Array, rule: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-recognize-'));
  try {
    await writeFile(join(folder, 'heard.wav'), encodeWav(concat(silence(0.3), pcm, silence(0.5))));
    await writeFile(join(folder, 'answer.gram'), `#JSGF V1.0;\ngrammar answer;\npublic <answer> = ${rule};\n`);
    const { stdout } = await run(
      'pocketsphinx_continuous',
      [
        ...['-infile', join(folder, 'heard.wav'), '-jsgf', join(folder, 'answer.gram')],
        ...['-hmm', join(MODEL, 'en-us'), '-dict', join(MODEL, 'cmudict-en-us.dict'), '-logfn', '/dev/null'],
      ],
      { timeout: 60_000 },
    );
    return stdout.trim().replaceAll(/\s+/g, ' ');
  } finally {
    await rm(folder, { recursive: true });
  }
}
