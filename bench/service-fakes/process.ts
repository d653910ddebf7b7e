/**
 * The fake services of a stack in a process of their own: `node process.ts`, driven by IPC. They speak the vendors' wire
 * protocols on loopback and take their time by log-normal distributions.
 */
import { FakeCartesia } from '../../test/fakes/cartesia.ts';
import { FakeDeepgram } from '../../test/fakes/deepgram.ts';
import { FakeElevenLabs } from '../../test/fakes/elevenlabs.ts';
import { lognormal } from '../../test/fakes/lognormal.ts';
import { FakeOpenAiCompatible } from '../../test/fakes/openai-compatible.ts';
import { answerParent } from '../nodes/child-side.ts';
import type { ServiceFakesAsk } from './messages.ts';
import { PhraseEar } from './phrase-ear.ts';

/** Three words: of more the fake makes a result before the pause that ends the turn, and then no other. */
const PHRASE = 'what time now';
/** One sentence: words after the first take no time, as the catalogue has no figure for them. */
const ANSWER = 'It is a quarter past nine.';

answerParent<ServiceFakesAsk>(async ({ stt, llm, tts, seed }) => {
  const deepgram = await FakeDeepgram.start({
    latency: lognormal({ ...stt, seed }),
    ear: () => new PhraseEar(PHRASE),
  });
  const model = await FakeOpenAiCompatible.start({}, { latency: lognormal({ ...llm, seed: seed + 1 }) });
  model.answer = { text: ANSWER };
  const latency = lognormal({ ...tts, seed: seed + 2 });
  const [cartesia, elevenLabs] = await Promise.all([
    FakeCartesia.start({ latency }),
    FakeElevenLabs.start({ latency }),
  ]);
  return {
    DEEPGRAM_API_KEY: deepgram.apiKey,
    DEEPGRAM_BASE_URL: deepgram.server.url,
    OPENAI_API_KEY: model.apiKey,
    OPENAI_BASE_URL: model.baseUrl,
    CARTESIA_API_KEY: cartesia.apiKey,
    CARTESIA_BASE_URL: cartesia.baseUrl,
    ELEVENLABS_API_KEY: elevenLabs.apiKey,
    ELEVENLABS_BASE_URL: elevenLabs.baseUrl,
  };
});
