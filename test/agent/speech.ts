/** Real speech for tests, by the installed program flite; and whether the speech programs are installed. */
import { findProgram } from '../../src/agent/services/find-program.ts';
import { Flite } from '../../src/agent/services/tts/flite.ts';
import { systemClock } from '../../src/clock.ts';

const searchPath = process.env.PATH ?? '';

export const hasFlite = (await findProgram('flite', searchPath)) !== null;
export const hasPocketSphinx = (await findProgram('pocketsphinx_continuous', searchPath)) !== null;

const flite = new Flite({ command: 'flite', voice: 'slt', clock: systemClock });

/** 16 kHz PCM of a sentence. */
export async function speech(text: string): Promise<Int16Array> {
  for await (const { pcm } of flite.synthesize(text, { signal: new AbortController().signal })) return pcm;
  throw new Error(`flite said nothing for "${text}"`);
}
