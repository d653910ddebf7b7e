/**
 * An agent with everything that is ours and services that take no time: voice activity, turn-taking, a turn model where
 * the call asks for one, a scripted answer from a recording. What a call's metadata asks for is in ConverserMetadata.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answerByModel,
  Conversation,
  chain,
  defineAgent,
  listen,
  silence,
  smartEnd,
  speak,
  takeTurns,
  transcribe,
} from '../../src/agent/index.ts';
import { findSmartTurnWeights } from '../../src/agent/turn-taking/smart-turn/weights.ts';
import { resample } from '../../src/call/resample.ts';
import { readWav } from '../../src/call/wav.ts';
import type { ConverserMetadata } from '../nodes/converser-metadata.ts';
import { PrerecordedLlm } from './scripted/prerecorded-llm.ts';
import { PrerecordedStt } from './scripted/prerecorded-stt.ts';
import { PrerecordedTts } from './scripted/prerecorded-tts.ts';
import { tellDecisions } from './scripted/tell-decisions.ts';

/** Hz, as most services answer. */
const VOICE_RATE = 24_000;
const recording = await readWav(join(import.meta.dirname, '../../test/audio/book-table.wav'));
const speech = resample(recording.pcm, recording.sampleRate, VOICE_RATE);
const stt = new PrerecordedStt({ words: 'what time is it' });
const llm = new PrerecordedLlm('It is a quarter past nine.');
const voices = new Map<number, PrerecordedTts>();
let noTurnModel = 'The turn model is not loaded yet.';

export default defineAgent({
  name: 'converser',
  title: 'Converser',
  description: 'Answers at once, from a recording.',
  examples: [],
  legs: () => [],
  /** Waits for the node's turn model, so that every call has it or none. */
  async prepare(services, signal) {
    const weights = await findSmartTurnWeights();
    if ('missing' in weights) noTurnModel = weights.missing;
    else while (services.smartTurn === null) await sleep(20, undefined, { signal });
  },
  pipeline(call, services) {
    const { replyMs, endSilenceMs, smartTurn, greets } = call.metadata as unknown as ConverserMetadata;
    const conversation = new Conversation();
    const decisions = tellDecisions(call);
    const model = smartTurn ? services.smartTurn : null;
    if (smartTurn && model === null) call.send({ type: 'custom', name: 'no-turn-model', data: noTurnModel });
    return chain(
      listen({ call, vad: services.vad }),
      decisions.before,
      takeTurns({
        call,
        greets,
        endOfTurn: model ? smartEnd({ model, log: call.log }) : silence({ endMs: endSilenceMs, probableMs: null }),
      }),
      decisions.after,
      transcribe({ call, conversation, stt }),
      answerByModel({
        call,
        llm,
        conversation,
        instructions: () => '',
        greeting: 'Hello.',
        notUnderstood: '',
        tools: [],
        apology: ({ message }) => message,
      }),
      speak({ call, conversation, tts: voice(replyMs) }),
    );
  },
});

function voice(lengthMs: number): PrerecordedTts {
  const known = voices.get(lengthMs) ?? new PrerecordedTts(speech, VOICE_RATE, lengthMs);
  voices.set(lengthMs, known);
  return known;
}
