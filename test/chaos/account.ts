/**
 * What a chaos run comes to: from the callers' logs and the ledger to lost and repeated words, gaps, tools that ran
 * twice. Pure. A word is lost when less than three quarters of it were heard at any time, and repeated when all of it had
 * been heard before: one that was cut near its end and is said again is neither.
 */
import { percentile } from '../../bench/result.ts';
import type { AgentWord, CallLog } from './caller/call-log.ts';
import { ANSWER_WORDS, usesTool } from './services/brain.ts';
import type { LedgerEntry } from './services/ledger.ts';
import { PAUSE_MS, WORD_MS } from './words/number-sound.ts';

const WHOLE_MS = 0.75 * WORD_MS;
/** Less of it is the edge of a sound, or of a cut. */
const LEAST_MS = 60;
/** After a longer hole a word is said anew. */
const HOLE_MS = 300;
/** So much of a word may come twice where it goes on in another stream; it is one word all the same. */
const TWICE_MS = 60;
/** What a turn with the tool takes longer, where the call had none before the fault: the tool, and a request more. */
const TOOL_MS = 600;
/** An outage that is noticed within this time of the fault is the fault's. */
const NOTICED_MS = 5_000;

export interface CallAccount {
  readonly call: number;
  readonly core: string;
  readonly pop: string;
  /** It was there to the end, and answers came after the fault. */
  readonly survived: boolean;
  readonly ended: string | null;
  /** Longest hole in the agent's voice while it should have been speaking, since the fault. */
  readonly gapMs: number;
  /** Where that was: in an answer, before it, or while there was no media. */
  readonly gapIn: 'answer' | 'wait' | 'outage' | 'none';
  readonly callerWordsLost: readonly number[];
  readonly callerWordsRepeated: readonly number[];
  readonly agentWordsLost: readonly number[];
  readonly agentWordsRepeated: readonly number[];
  readonly toolsRunTwice: readonly number[];
  readonly turnsUnanswered: number;
  /** Sounds of the agent's that are no numbers: apologies and the like. */
  readonly otherWords: number;
}

export interface Fault {
  /** By the clock of the logs. */
  readonly atMs: number;
  /** Words of before that are not counted. */
  readonly fromMs: number;
  readonly usual: UsualWaits;
}

/** From a turn to the first word of its answer, in the middle, over all calls and before the fault. */
export interface UsualWaits {
  readonly plainMs: number;
  readonly toolMs: number;
}

export function usualWaits(logs: readonly CallLog[], atMs: number): UsualWaits {
  const before = logs.flatMap((log) => waits(log)).filter(({ untilMs }) => untilMs < atMs);
  const median = (withTool: boolean) =>
    percentile(
      before.filter((wait) => wait.withTool === withTool).map(({ tookMs }) => tookMs),
      50,
    );
  const plainMs = median(false) ?? Number.POSITIVE_INFINITY;
  return { plainMs, toolMs: median(true) ?? plainMs + TOOL_MS };
}

export function accountOf(told: CallLog, entry: LedgerEntry | undefined, fault: Fault): CallAccount {
  const asHeard = told.heard.filter(({ number, ms }) => number !== null || ms >= LEAST_MS);
  const log = { ...told, heard: joined(asHeard) };
  const whole = log.heard.filter(({ number, ms }) => number !== null && ms >= WHOLE_MS);
  const heard = whole.map(({ number }) => number!);
  const gap = longestGap(log, log.heard, fault);
  const runs = entry?.runs ?? [];
  const last = Math.max(0, ...heard);
  const first = 1 + Math.max(0, ...whole.filter(({ endMs }) => endMs < fault.fromMs).map(({ number }) => number!));
  const said = log.said.filter(({ atMs }) => atMs >= fault.fromMs).map(({ number }) => number);
  return {
    call: log.call,
    core: log.core,
    pop: log.pop,
    survived: log.ended === null && answersAfter(log, fault.atMs) > 0,
    ended: log.ended,
    ...gap,
    callerWordsLost: said.filter((number) => !entry?.heard.includes(number)),
    callerWordsRepeated: said.filter((number) => entry?.heardTwice.includes(number)),
    agentWordsLost: Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index).filter(
      (number) => !heard.includes(number),
    ),
    agentWordsRepeated: repeated(log.heard.filter(({ startMs }) => startMs >= fault.fromMs)),
    toolsRunTwice: runs.filter((key, index) => runs.indexOf(key) !== index),
    turnsUnanswered: log.unanswered.length,
    otherWords: log.heard.filter(({ number }) => number === null).length,
  };
}

/** Heard to their end, and heard again. A word that was cut in its last moments is rightly said again. */
function repeated(words: readonly AgentWord[]): number[] {
  return words.flatMap(({ number, ms }, index) => {
    const isAgain = words.slice(0, index).some((before) => before.number === number && before.ms >= WORD_MS);
    return number !== null && ms >= WHOLE_MS && isAgain ? [number] : [];
  });
}

/** Whole answers whose last word came after the fault. */
function answersAfter({ heard }: CallLog, atMs: number): number {
  return heard.filter(({ number, endMs }) => number !== null && number % ANSWER_WORDS === 0 && endMs > atMs).length;
}

function longestGap(
  log: CallLog,
  heard: readonly JoinedWord[],
  { atMs, usual }: Fault,
): Pick<CallAccount, 'gapMs' | 'gapIn'> {
  const gaps = [
    ...holes(heard).map((hole) => ({ ...hole, gapIn: 'answer' as const })),
    ...waits(log).map(({ untilMs, tookMs, withTool }) => {
      const gapMs = Math.max(0, tookMs - (withTool ? usual.toolMs : usual.plainMs));
      return { untilMs, gapMs, gapIn: 'wait' as const };
    }),
    ...log.outages.map(({ fromMs, toMs }) => {
      const untilMs = toMs ?? Number.POSITIVE_INFINITY;
      // It began with the fault, and not with the caller's hearing of it.
      const sinceMs = fromMs > atMs && fromMs - atMs < NOTICED_MS ? atMs : fromMs;
      return { untilMs, gapMs: untilMs - sinceMs, gapIn: 'outage' as const };
    }),
  ].filter(({ untilMs, gapMs }) => untilMs > atMs && Number.isFinite(gapMs));
  const longest = gaps.reduce((most, gap) => (gap.gapMs > most.gapMs ? gap : most), {
    gapMs: 0,
    gapIn: 'none' as CallAccount['gapIn'],
    untilMs: 0,
  });
  return { gapMs: Math.round(longest.gapMs), gapIn: longest.gapIn };
}

interface Gap {
  /** When it was over. */
  readonly untilMs: number;
  readonly gapMs: number;
}

/** Within the words of one answer, and between them beyond the pause that each word has behind it. */
function holes(heard: readonly JoinedWord[]): Gap[] {
  return heard.flatMap((word, index) => {
    const gaps: Gap[] = [{ untilMs: word.endMs, gapMs: word.holeMs }];
    const before = heard[index - 1];
    if (before === undefined || before.number === null) return gaps;
    const isOver = before.number % ANSWER_WORDS === 0 && before.ms >= WHOLE_MS;
    const gapMs = word.startMs - before.endMs - PAUSE_MS;
    return isOver ? gaps : [...gaps, { untilMs: word.startMs, gapMs: Math.max(0, gapMs) }];
  });
}

interface Wait {
  readonly untilMs: number;
  readonly tookMs: number;
  readonly withTool: boolean;
}

/** Between the caller's turns and the first words of their answers. */
function waits({ turns, heard }: CallLog): Wait[] {
  return turns.flatMap((turn) => {
    const first = heard.find(({ startMs }) => startMs > turn.toMs);
    const next = turns.find(({ fromMs }) => fromMs > turn.toMs);
    if (first === undefined || (next !== undefined && first.startMs > next.fromMs)) return [];
    return [{ untilMs: first.startMs, tookMs: first.startMs - turn.toMs, withTool: usesTool(turn.lastWord) }];
  });
}

interface JoinedWord extends AgentWord {
  /** The longest hole within it. */
  readonly holeMs: number;
}

/** A word with a hole in it came in pieces, and is one; edges that are no part of any word are left out. */
function joined(words: readonly AgentWord[]): JoinedWord[] {
  const whole: JoinedWord[] = [];
  for (const word of words) {
    const before = whole.at(-1);
    const isRest =
      before !== undefined &&
      before.number === word.number &&
      word.startMs - before.endMs <= HOLE_MS &&
      before.ms + word.ms <= WORD_MS + TWICE_MS;
    if (isRest) {
      const holeMs = Math.max(before.holeMs, word.startMs - before.endMs);
      whole[whole.length - 1] = { ...before, ms: before.ms + word.ms, endMs: word.endMs, holeMs };
    } else whole.push({ ...word, holeMs: 0 });
  }
  return whole.filter(({ ms }) => ms >= LEAST_MS);
}
