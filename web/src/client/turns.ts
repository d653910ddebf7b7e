/**
 * Where the time of a turn went: from a TurnTimeline of the server and the round trip that the page measured itself to
 * bars on one axis. Pure arithmetic; drawing is ui/turns-panel.tsx's work.
 */
import type { TurnTimeline } from '../../../src/agent/client-events.ts';

export interface TurnRecord {
  timeline: TurnTimeline;
  /** Round trip page <-> POP by WebRTC stats when the turn was reported, ms; null when not measured yet. */
  callerRttMs: number | null;
}

export type PartName = 'endpointing' | 'stt' | 'llm' | 'tts' | 'mouth' | 'other' | 'network';

export interface Part {
  name: PartName;
  /** From the caller's last sound, ms. */
  startMs: number;
  /** Null when the turn had no such part, or nobody measured it. */
  durationMs: number | null;
}

export interface Waterfall {
  turn: number;
  parts: Part[];
  /** What the caller waited: the server's own time plus what is known of the network, ms. */
  totalMs: number;
  /** The server's own time, ms. */
  serverMs: number;
  /** Both round trips were measured; else the total lacks the missing one. */
  networkComplete: boolean;
  interrupted: boolean;
  /** It answered speech; a greeting and the answer to typed words did not have to wait for the end of any. */
  spoken: boolean;
}

/** People leave about 200 ms between turns; an answer within 500 ms feels immediate, one past 800 ms feels late. */
export const GUIDES_MS = [500, 800] as const;

/** Below this, a difference between the total and its parts is rounding. */
const ROUNDING_MS = 1;

export function waterfall(record: TurnRecord): Waterfall {
  const { timeline, callerRttMs } = record;
  const serverMs = timeline.totalMs;
  const measured: [PartName, number | null][] = [
    ['endpointing', timeline.endpointingMs],
    ['stt', timeline.sttMs],
    ['llm', timeline.llmMs],
    ['tts', timeline.ttsMs],
    ['mouth', timeline.mouthMs],
  ];
  const parts: Part[] = [];
  let cursorMs = 0;
  for (const [name, durationMs] of measured) {
    // Parts that overlap add up to more than the total: each is kept within it, so that the overlap can be seen.
    const startMs = Math.max(0, Math.min(cursorMs, serverMs - (durationMs ?? 0)));
    parts.push({ name, startMs, durationMs });
    cursorMs = startMs + (durationMs ?? 0);
  }
  const otherMs = serverMs - cursorMs;
  if (otherMs > ROUNDING_MS) parts.push({ name: 'other', startMs: cursorMs, durationMs: otherMs });
  const networkMs = networkOf(timeline.backboneRttMs, callerRttMs);
  parts.push({ name: 'network', startMs: serverMs, durationMs: networkMs });
  return {
    turn: timeline.turn,
    parts,
    totalMs: serverMs + (networkMs ?? 0),
    serverMs,
    networkComplete: timeline.backboneRttMs !== null && callerRttMs !== null,
    interrupted: timeline.interrupted,
    spoken: timeline.endpointingMs !== null,
  };
}

/** One axis for all the turns shown, ms: at least a second, in steps of 250. */
export function axisMs(waterfalls: readonly Waterfall[]): number {
  const longest = waterfalls.reduce((most, entry) => Math.max(most, entry.totalMs), 0);
  return Math.max(1_000, Math.ceil(longest / 250) * 250);
}

export type Grade = 'immediate' | 'natural' | 'late';

/** How a total compares with the guides. */
export function grade(totalMs: number): Grade {
  if (totalMs <= GUIDES_MS[0]) return 'immediate';
  return totalMs <= GUIDES_MS[1] ? 'natural' : 'late';
}

/** The middle total, ms; the mean of the two middle ones when their number is even; null of none. */
export function medianTotalMs(waterfalls: readonly Waterfall[]): number | null {
  if (waterfalls.length === 0) return null;
  const totals = waterfalls.map((entry) => entry.totalMs).sort((a, b) => a - b);
  const middle = totals.length >> 1;
  return totals.length % 2 === 1 ? totals[middle]! : (totals[middle - 1]! + totals[middle]!) / 2;
}

/** Records in the order of their turns; a second record of a turn replaces the first and keeps its measured RTT. */
export function withTurn(records: readonly TurnRecord[], record: TurnRecord): TurnRecord[] {
  const known = records.findIndex((entry) => entry.timeline.turn === record.timeline.turn);
  if (known === -1) return [...records, record].sort((a, b) => a.timeline.turn - b.timeline.turn);
  const callerRttMs = records[known]!.callerRttMs ?? record.callerRttMs;
  return records.with(known, { timeline: record.timeline, callerRttMs });
}

function networkOf(backboneRttMs: number | null, callerRttMs: number | null): number | null {
  if (backboneRttMs === null && callerRttMs === null) return null;
  return (backboneRttMs ?? 0) + (callerRttMs ?? 0);
}
