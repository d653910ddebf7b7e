/** The suite of every speech to text, for the local program, by the voice of another one. */
import { describe } from 'vitest';
import { PocketSphinx } from '../../../../src/agent/services/stt/pocketsphinx.ts';
import { TONE_WORDS, type ToneWord } from '../../../fakes/tone-words.ts';
import { roomNoise } from '../../../support/memory-call.ts';
import { hasFlite, hasPocketSphinx, speech } from '../../speech.ts';
import { sttConformance } from './conformance.ts';

/** What the suite says. A grammar of any words in a row hears one word as two now and then. */
const SENTENCES =
  'one two three | four five | six seven eight one two three | one two | three | four five six | one | two four | two';
const jsgf = `#JSGF V1.0;\ngrammar numbers;\npublic <numbers> = ${SENTENCES};\n`;

const voice = new Map<ToneWord, Int16Array>();
if (hasFlite) for (const word of TONE_WORDS) voice.set(word, await speech(word));

/** Words as a call gives them: a little room before, between and after. */
function say(words: readonly ToneWord[]): Int16Array {
  const pieces = [roomNoise(4_000), ...words.flatMap((word) => [voice.get(word)!, roomNoise(800)]), roomNoise(8_000)];
  return Int16Array.from(pieces.flatMap((piece) => [...piece]));
}

describe.skipIf(!hasFlite || !hasPocketSphinx)('the installed program', { timeout: 60_000 }, () => {
  sttConformance(
    'pocketsphinx',
    { interim: false, streams: false, isProgram: true, maxSeconds: 60, say },
    async (options) => {
      const { clock, log, timeoutMs } = options;
      const modelDir = '/usr/share/pocketsphinx/model/en-us';
      const command = 'pocketsphinx_continuous';
      const stt = new PocketSphinx({ command, modelDir, grammar: { jsgf }, clock, log, timeoutMs });
      const none = () => {};
      const service = { refuse: none, stall: none, talkNonsense: none, cut: none, askedForWords: () => true };
      return {
        stt,
        ...service,
        connections: () => 0,
        openCount: () => 0,
        stop: async () => {},
        close: () => stt.close(),
      };
    },
  );
});
