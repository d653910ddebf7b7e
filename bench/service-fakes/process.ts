/**
 * The fake services of a stack in a process of their own: `node process.ts`, driven by IPC. They speak the vendors' wire
 * protocols on loopback and take their time by log-normal distributions.
 */
import { FakeCartesia } from '../../test/fakes/cartesia.ts';
import { FakeDeepgram } from '../../test/fakes/deepgram.ts';
import { FakeElevenLabs } from '../../test/fakes/elevenlabs.ts';
import { lognormal, mulberry32 } from '../../test/fakes/lognormal.ts';
import { type FakeCompatibleRequest, FakeOpenAiCompatible } from '../../test/fakes/openai-compatible.ts';
import { answerParent } from '../nodes/child-side.ts';
import { answerAfterLookUps } from './look-ups.ts';
import type { LlmRequests, ServiceFakesAsk } from './messages.ts';
import { PhraseEar } from './phrase-ear.ts';

/** Three words: of more the fake makes a result before the pause that ends the turn, and then no other. */
const PHRASE = 'what time now';
/** One sentence: words after the first take no time, as the catalogue has no figure for them. */
const ANSWER = 'It is a quarter past nine.';

/**
 * Interim words are this far behind the sound. An assumption: Deepgram tells how to measure it
 * (developers.deepgram.com/docs/measuring-streaming-latency), and no figure of it was found.
 */
const INTERIM_LAG_MS = { min: 150, max: 300 } as const;

let asked: readonly FakeCompatibleRequest[] = [];
let counted = 0;

answerParent<ServiceFakesAsk>(async (ask) => (ask.type === 'llm-requests' ? llmRequests() : start(ask)));

function llmRequests(): LlmRequests {
  const requests: LlmRequests = {};
  for (; counted < asked.length; counted++) {
    const instructions = asked[counted]!.messages[0]?.content ?? '';
    requests[instructions] = (requests[instructions] ?? 0) + 1;
  }
  return requests;
}

async function start({ stt, llm, tts, seed }: Exclude<ServiceFakesAsk, { type: 'llm-requests' }>) {
  const random = mulberry32(seed + 3);
  const deepgram = await FakeDeepgram.start({
    latency: lognormal({ ...stt, seed }),
    interimLag: () => INTERIM_LAG_MS.min + random() * (INTERIM_LAG_MS.max - INTERIM_LAG_MS.min),
    ear: () => new PhraseEar(PHRASE),
  });
  const model = await FakeOpenAiCompatible.start({}, { latency: lognormal({ ...llm, seed: seed + 1 }) });
  model.answerTo = answerAfterLookUps(ANSWER);
  asked = model.requests;
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
}
