/**
 * The demo: a front desk that tells the time, books a table, counts to thirty and says goodbye. Without AI services it
 * runs on the core's own programs and a script, else on the speech and language services that are chosen.
 */
import {
  type AgentCall,
  type AgentNotice,
  type AgentServices,
  answerByScript,
  type Chain,
  cascade,
  chain,
  conversationOf,
  defineAgent,
  IDLE_DEFAULTS,
  listen,
  speak,
  takeTurns,
  transcribe,
} from '../src/agent/index.ts';
import { DESK_GREETING, DESK_NOT_UNDERSTOOD, DESK_PHRASES, type DeskState, deskScript } from './front-desk/dialog.ts';
import { FRONT_DESK_GRAMMAR } from './front-desk/grammar.ts';
import { DESK_INSTRUCTIONS, deskTools } from './front-desk/tools.ts';

const KEYLESS_NOTICE =
  'This front desk runs without an AI service. It understands a fixed list of English sentences, such as the examples, ' +
  'is tuned to a synthetic voice, and is no substitute for real speech recognition: it may not understand you. ' +
  'You can also type. With OPENAI_API_KEY set it uses OpenAI instead, and other services where they are chosen.';

export default defineAgent({
  name: 'front-desk',
  title: 'Front desk',
  description: 'Tells the time, takes a booking, counts to thirty so that you can interrupt it, and says goodbye.',
  examples: [
    'What time is it?',
    'I would like to book a table for two people tomorrow evening',
    'I would like to book a table',
    'Please count to thirty',
    'That is all, thank you',
  ],

  legs: ({ stack }) =>
    stack?.legs ?? [
      { kind: 'stt', service: 'pocketsphinx', k: 1, local: true },
      { kind: 'tts', service: 'flite', k: 1, local: true },
    ],

  notices(services) {
    if (services.stack) {
      const text = `This front desk sends what you say to AI services: ${services.stack.names.join(', ')}.`;
      return [{ level: 'info', code: 'services', text }];
    }
    const notices: AgentNotice[] = [{ level: 'info', code: 'keyless', text: KEYLESS_NOTICE }];
    const { flite } = services;
    if ('missing' in flite) notices.push({ level: 'warning', code: 'flite-missing', text: flite.missing });
    const stt = services.pocketsphinx(FRONT_DESK_GRAMMAR);
    if ('missing' in stt) notices.push({ level: 'warning', code: 'pocketsphinx-missing', text: stt.missing });
    return notices;
  },

  async prepare(services, signal) {
    if (services.stack) return;
    const { flite } = services;
    const stt = services.pocketsphinx(FRONT_DESK_GRAMMAR);
    if (!('missing' in flite)) await flite.prepare(sentencesOf(DESK_PHRASES), signal);
    if (!('missing' in stt)) await stt.prepare();
  },

  pipeline: (call, services) =>
    services.stack
      ? cascade({
          call,
          services,
          instructions: DESK_INSTRUCTIONS,
          greeting: DESK_GREETING,
          notUnderstood: DESK_NOT_UNDERSTOOD,
          tools: deskTools(() => call.clock.date()),
        })
      : byScript(call, services),
});

function byScript(call: AgentCall, services: AgentServices): Chain {
  const conversation = conversationOf(call);
  return chain(
    listen({ call, vad: services.vad }),
    takeTurns({ call, idle: IDLE_DEFAULTS }),
    transcribe({ call, conversation, stt: services.pocketsphinx(FRONT_DESK_GRAMMAR) }),
    answerByScript<DeskState>({ call, script: deskScript }),
    speak({ call, conversation, tts: services.flite }),
  );
}

/** The synthesizer keeps audio by the sentence. */
function sentencesOf(phrases: readonly string[]): string[] {
  return phrases.flatMap((phrase) => phrase.split(/(?<=[.?])\s+/));
}
