/** What the conversing stage is made with, and its defaults. */
import type { AntipodeError } from '../../errors.ts';
import type { Conversation } from '../conversation.ts';
import type { Tool } from '../services/llm.ts';
import type { OrMissing } from '../services/missing.ts';
import type { S2s, S2sTurns } from '../services/s2s.ts';
import type { Tts } from '../services/tts.ts';
import type { AgentCall } from '../types.ts';

export interface ConverseOptions {
  call: Pick<AgentCall, 'mouth' | 'send' | 'clock' | 'log' | 'hangUp' | 'backboneRttMs' | 'observe' | 'signal'>;
  /** The service, or why there is none, for people: then the call hears that and ends. */
  s2s: OrMissing<S2s>;
  conversation: Conversation;
  /** Who the agent is and how it speaks. */
  instructions: string;
  /** Said first, word for word; empty to wait for the caller. */
  greeting: string;
  tools?: readonly Tool[];
  /** By the service's name for it. */
  voice?: string | null;
  /** `service`: there is no turn-taking stage before this one. @defaultValue 'ours' */
  turns?: S2sTurns;
  /** Speaks apologies when the service cannot. */
  spareTts?: Tts | null;
  /** Said when an answer failed. */
  apology?(error: AntipodeError): string;
  /** Said when somebody waits and the connection is gone for longer than `outageNoticeMs`. */
  outageWords?: string;
  outageNoticeMs?: number;
  /** Said when the service is lost for good; then the call ends. */
  farewell?: string;
  /** Answers in a row that failed after which the call ends. */
  maxFailedReplies?: number;
  endMarginMs?: number;
}

export const CONVERSE_DEFAULTS = {
  tools: [],
  voice: null,
  turns: 'ours',
  spareTts: null,
  apology: (error: AntipodeError) =>
    error.code === 'ERR_SERVICE_UNAVAILABLE'
      ? 'Sorry, I cannot answer at the moment. Please try again in a while.'
      : 'Sorry, something went wrong. Please say that again.',
  outageWords: 'Sorry, one moment please.',
  outageNoticeMs: 2_000,
  farewell: 'Sorry, I have lost my voice service. Please call again later. Goodbye.',
  maxFailedReplies: 3,
  endMarginMs: 10_000,
} as const satisfies Partial<ConverseOptions>;
