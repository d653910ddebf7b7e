/**
 * Tells the caller's client what can be shown of a call: tools as they begin and end, sounds over the agent, services
 * that took over. Words and the states of the agent are told by the stages themselves.
 */
import type { ClientEvent } from '../client-events.ts';
import type { CallObserver } from './call-observers.ts';
import type { Observation, ServiceKind } from './observation.ts';

const KIND_WORDS: Record<ServiceKind, string> = {
  stt: 'speech to text',
  llm: 'the language model',
  tts: 'text to speech',
  s2s: 'speech to speech',
};

/** What the client's schema takes. */
const MAX_ID_CHARACTERS = 128;
const MAX_NAME_CHARACTERS = 64;

export class ClientObserver implements CallObserver {
  readonly name = 'client';
  readonly #send: (event: ClientEvent) => void;

  constructor(send: (event: ClientEvent) => void) {
    this.#send = send;
  }

  observed(seen: Observation): void {
    switch (seen.type) {
      case 'tool-started':
        this.#send({ ...toolOf(seen), state: 'running', tookMs: null });
        return;
      case 'tool-ended':
        this.#send({ ...toolOf(seen), state: seen.outcome, tookMs: Math.max(0, seen.atMs - seen.startedAtMs) });
        return;
      case 'interruption':
        this.#send({ type: 'interruption', turn: seen.turn, outcome: seen.outcome });
        return;
      case 'fail-over':
        this.#send({
          type: 'notice',
          level: 'warning',
          code: 'fail-over',
          text: `${seen.from} failed as ${KIND_WORDS[seen.kind]} (${seen.code}); ${seen.to} took over.`,
        });
        return;
      default:
    }
  }
}

function toolOf(seen: { turn: number; callId: string; name: string }) {
  return {
    type: 'tool',
    id: seen.callId.slice(0, MAX_ID_CHARACTERS),
    turn: seen.turn,
    name: seen.name.slice(0, MAX_NAME_CHARACTERS),
  } as const;
}
