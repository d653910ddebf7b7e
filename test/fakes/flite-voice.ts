/** A voice of fakes by the installed program flite: real speech, its words timed by their share of the letters. */
import { Upsampler } from '../../src/agent/services/stt/upsampler.ts';
import { Flite } from '../../src/agent/services/tts/flite.ts';
import { systemClock } from '../../src/clock.ts';
import type { SpokenTone } from './speaking-socket.ts';

const flite = new Flite({ command: 'flite', voice: 'slt', clock: systemClock });

/**
 * Speech of a text at 16 or 24 kHz, for `SpeechSocketFakeOptions.voice`. Where flite is not installed, give the fake
 * another voice: this one rejects with ERR_SERVICE_UNAVAILABLE.
 */
export async function fliteVoice(text: string, sampleRate: number): Promise<SpokenTone> {
  const pieces: Int16Array[] = [];
  for await (const { pcm } of flite.synthesize(text, { signal: new AbortController().signal })) pieces.push(pcm);
  const spoken = Int16Array.from(pieces.flatMap((piece) => [...piece]));
  const pcm = sampleRate === 24_000 ? upsampled(spoken) : spoken;
  const found = text.match(/\S+/g) ?? [];
  const letters = found.reduce((sum, word) => sum + word.length, 0);
  const lengthMs = (pcm.length * 1_000) / sampleRate;
  let before = 0;
  const words = found.map((word) => {
    const startMs = (before * lengthMs) / letters;
    before += word.length;
    return { text: word, startMs, endMs: (before * lengthMs) / letters };
  });
  return { pcm, words };
}

function upsampled(pcm: Int16Array): Int16Array {
  const upsampler = new Upsampler();
  return Int16Array.from([...upsampler.process(pcm), ...upsampler.flush()]);
}
