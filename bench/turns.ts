/**
 * From the log of a call to its turns: which answer of the mouth belongs to which end of the caller's voice. Pure; what
 * is made of the times is each benchmark's. The last end of voice of a log is left out: its answer may come after it.
 */
import type { CallLog, HeardSpurt, ToldEvent } from './fake-pop/messages.ts';

/** What of a log the turns are made of. */
export type SaidAndHeard = Pick<CallLog, 'sounds' | 'spurts' | 'told'>;

/** An answered turn; times are the fake POP's clock. */
export interface AnsweredTurn {
  /** The packet with the last sample of the caller's voice left. */
  lastSoundAtMs: number;
  /** The packet left that completed the window in which the core decided that the turn was over. */
  decidableAtMs: number;
  /** The first packet of the answer came. */
  answeredAtMs: number;
}

/** Needs an agent that tells its decisions; a turn without a known one counts as unanswered. */
export function turnsOf(log: SaidAndHeard): { answered: AnsweredTurn[]; unanswered: number } {
  const answered: AnsweredTurn[] = [];
  let unanswered = 0;
  for (const { lastSoundAtMs, answer, told } of endsOf(log)) {
    const decision = told.find(({ name }) => name === 'turn-decided');
    if (!answer || !decision?.packet) unanswered += 1;
    else answered.push({ lastSoundAtMs, decidableAtMs: decision.packet.atMs, answeredAtMs: answer.firstAtMs });
  }
  return { answered, unanswered };
}

/** From the caller's last sound to the first packet of the answer. */
export function waitsOf(log: SaidAndHeard): { waitsMs: number[]; unanswered: number } {
  const { waits, unansweredAtMs } = waitTimesOf(log);
  const waitsMs = waits.map(({ lastSoundAtMs, answeredAtMs }) => answeredAtMs - lastSoundAtMs);
  return { waitsMs, unanswered: unansweredAtMs.length };
}

/** The same as times; of those without an answer the caller's last sound. */
export function waitTimesOf(log: SaidAndHeard): {
  waits: Omit<AnsweredTurn, 'decidableAtMs'>[];
  unansweredAtMs: number[];
} {
  const ends = endsOf(log);
  return {
    waits: ends.flatMap(({ lastSoundAtMs, answer }) =>
      answer ? [{ lastSoundAtMs, answeredAtMs: answer.firstAtMs }] : [],
    ),
    unansweredAtMs: ends.flatMap(({ lastSoundAtMs, answer }) => (answer ? [] : [lastSoundAtMs])),
  };
}

interface VoiceEnd {
  lastSoundAtMs: number;
  /** What the mouth began to say before the caller spoke again. */
  answer: HeardSpurt | null;
  told: ToldEvent[];
}

function endsOf(log: SaidAndHeard): VoiceEnd[] {
  const sounds = log.sounds.filter(({ kind }) => kind === 'speech');
  return sounds.flatMap((sound, index) => {
    const next = sounds[index + 1];
    if (sound.edge !== 'last' || next === undefined) return [];
    const within = (atMs: number) => atMs >= sound.atMs && atMs < next.atMs;
    return [
      {
        lastSoundAtMs: sound.atMs,
        answer: log.spurts.find(({ firstAtMs }) => within(firstAtMs)) ?? null,
        told: log.told.filter(({ atMs }) => within(atMs)),
      },
    ];
  });
}
