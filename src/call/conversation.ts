/**
 * The talk of one call, measured from the caller's side: waits for the greeting, says each clip, waits for the answer
 * and its end, interrupts if asked to. Owns the order of things and what each figure means; sound comes in through the
 * Listener and goes out through the Microphone.
 */
import { AntipodeError } from '../errors.ts';
import { abortable } from './abortable.ts';
import { type Clip, withoutLead } from './clip.ts';
import type { Listener } from './listener.ts';
import type { Microphone } from './microphone.ts';

/** One question and its answer. */
export interface Turn {
  /**
   * Caller's last voiced sample spoken to the reply's first voiced sample heard. Null when the agent was sounding
   * before the caller had finished and said nothing new after it, as an echo does.
   */
  voiceToVoiceMs: number | null;
  /** Interruption's first voiced sample spoken to the agent's last voiced sample heard before it stays silent. */
  bargeInMs?: number;
}

/** What was measured of a talk so far. */
export interface Talk {
  /** First voiced sample of the greeting, Clock.now milliseconds; null when the agent waited to be spoken to. */
  greetedAtMs: number | null;
  turns: Turn[];
}

export interface ConversationLimits {
  /** A greeting that has not begun by then will not come. */
  greetingBeginsMs: number;
  /** An answer must begin within this time. */
  answerMs: number;
  /** A greeting or an answer must end within this time. */
  agentTalksMs: number;
  /** An interrupted agent must fall silent within this time. */
  interruptionMs: number;
  /** What an agent says to an interruption begins within this time, or it says nothing. */
  afterInterruptionMs: number;
}

export const CONVERSATION_LIMITS = {
  greetingBeginsMs: 3_000,
  answerMs: 20_000,
  agentTalksMs: 90_000,
  interruptionMs: 10_000,
  afterInterruptionMs: 5_000,
} as const satisfies ConversationLimits;

/** An agent that is silent for this long has finished: longer than the pauses between its sentences. */
export const AGENT_DONE_MS = 1_000;
/** An interrupted agent that is silent for this long has stopped: longer than the pauses between its words. */
export const AGENT_STOPPED_MS = 600;
/** An agent whose last sound is no older than this is sounding now. */
const SOUNDING_MS = 30;
/** The interruption comes this long after the answer began. */
export const INTERRUPT_AFTER_MS = 1_500;

export interface ConversationOptions {
  say: readonly Clip[];
  interruptWith: Clip | null;
  microphone: Pick<Microphone, 'say'>;
  listener: Listener;
  limits: ConversationLimits;
  /** Aborts every wait, with its reason. */
  signal: AbortSignal;
  /** Filled as the talk goes on, so that what was measured before a failure is kept. */
  talk: Talk;
}

/**
 * Hold the conversation.
 * @throws AntipodeError ERR_CALL_NO_ANSWER when the agent did not answer, ERR_CALL_FAILED when it never fell silent or
 *   could not be interrupted; the signal's reason
 */
export async function converse(options: ConversationOptions): Promise<void> {
  const { say, interruptWith, microphone, listener, limits, talk } = options;
  await greeting(options);
  for (const [index, clip] of say.entries()) {
    const spokenUntilMs = await abortable(microphone.say(clip).ended, options.signal);
    const overlapping = listener.hearing;
    const answeredAtMs = await listener.until(
      () => spurtAfter(listener, spokenUntilMs) ?? (overlapping && isDone(listener) ? 'overlapped' : null),
      {
        timeoutMs: limits.answerMs,
        code: 'ERR_CALL_NO_ANSWER',
        message: `the agent did not answer ${clip.path} within ${limits.answerMs / 1_000} s`,
        signal: options.signal,
      },
    );
    if (answeredAtMs === 'overlapped') {
      talk.turns.push({ voiceToVoiceMs: null });
      continue;
    }
    const turn: Turn = { voiceToVoiceMs: answeredAtMs - spokenUntilMs };
    talk.turns.push(turn);
    if (interruptWith && index === say.length - 1) await interrupt(options, interruptWith, turn, answeredAtMs);
    else await agentDone(options);
  }
}

function spurtAfter(listener: Listener, atMs: number): number | null {
  const beganAtMs = listener.spurtBeganAtMs;
  return beganAtMs !== null && beganAtMs > atMs ? beganAtMs : null;
}

function isDone(listener: Listener): boolean {
  return listener.silentForMs >= AGENT_DONE_MS;
}

function hasStopped(listener: Listener): boolean {
  return listener.silentForMs >= AGENT_STOPPED_MS;
}

async function greeting(options: ConversationOptions): Promise<void> {
  const { listener, limits, signal } = options;
  const startedAtMs = await listener.until(() => (listener.heardUpToMs > 0 ? listener.heardUpToMs : null), {
    timeoutMs: limits.answerMs,
    code: 'ERR_CALL_NO_ANSWER',
    message: 'no audio came from the agent',
    signal,
  });
  const greeted = await listener.until(
    () => {
      if (listener.firstSoundAtMs !== null) return true;
      return listener.heardUpToMs - startedAtMs >= limits.greetingBeginsMs ? false : null;
    },
    { timeoutMs: limits.answerMs, code: 'ERR_CALL_NO_ANSWER', message: 'no audio came from the agent', signal },
  );
  if (!greeted) return;
  options.talk.greetedAtMs = listener.firstSoundAtMs;
  await agentDone(options);
}

async function agentDone(options: ConversationOptions): Promise<void> {
  const { listener, limits, signal } = options;
  await listener.until(() => (isDone(listener) ? true : null), {
    timeoutMs: limits.agentTalksMs,
    code: 'ERR_CALL_FAILED',
    message: `the agent did not fall silent within ${limits.agentTalksMs / 1_000} s`,
    signal,
  });
}

async function interrupt(options: ConversationOptions, clip: Clip, turn: Turn, answeredAtMs: number): Promise<void> {
  const { listener, limits, microphone, signal } = options;
  const tooShort = () =>
    new AntipodeError('ERR_CALL_FAILED', 'the agent had finished its answer before it could be interrupted');
  // Into a sound and not into a pause, which nobody could tell from having stopped.
  const mayInterrupt = () =>
    listener.heardUpToMs - answeredAtMs >= INTERRUPT_AFTER_MS && listener.silentForMs < SOUNDING_MS;
  const going = await listener.until(() => (hasStopped(listener) ? false : mayInterrupt() ? true : null), {
    timeoutMs: limits.answerMs,
    code: 'ERR_CALL_FAILED',
    message: 'the audio of the answer stopped coming',
    signal,
  });
  if (!going) throw tooShort();
  const saying = microphone.say(withoutLead(clip));
  const interruptedAtMs = await abortable(saying.begun, signal);
  await listener.until(() => (hasStopped(listener) ? true : null), {
    timeoutMs: limits.interruptionMs,
    code: 'ERR_CALL_FAILED',
    message: `the agent talked on for ${limits.interruptionMs / 1_000} s after it was interrupted`,
    signal,
  });
  const silentAtMs = listener.lastSoundAtMs!;
  if (silentAtMs < interruptedAtMs) throw tooShort();
  turn.bargeInMs = silentAtMs - interruptedAtMs;
  const saidUntilMs = await abortable(saying.ended, signal);
  const replies = await listener
    .until(() => spurtAfter(listener, saidUntilMs), {
      timeoutMs: limits.afterInterruptionMs,
      code: 'ERR_CALL_NO_ANSWER',
      message: 'nothing was said to the interruption',
      signal,
    })
    .catch((error: unknown) => {
      if (error instanceof AntipodeError && error.code === 'ERR_CALL_NO_ANSWER') return null;
      throw error;
    });
  if (replies !== null) await agentDone(options);
}
