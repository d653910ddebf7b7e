/**
 * By which of several ways media goes: the first one that is well, as measured. A way that is worse than it usually is
 * must be so for a while before it is left, and well for longer before it is used again. Pure; owns no pipes.
 */
import type { PathQuality } from '../backbone/index.ts';

/** What is known of a way at one look. */
export interface WayReading {
  /** Of the last seconds; null where nothing measures it. */
  readonly quality: PathQuality | null;
  /** Since a probe came back. */
  readonly silentMs: number;
}

export type WayHealth = 'well' | 'poor' | 'dead';

/** A way as the choice remembers it. */
export interface WayState {
  readonly health: WayHealth;
  /** Usual round trip, ms; null before there is one. */
  readonly usualMs: number | null;
  /** Since when the readings have said otherwise than `health`; null while they agree. */
  readonly otherwiseSinceMs: number | null;
}

export const NEW_WAY: WayState = { health: 'well', usualMs: null, otherwiseSinceMs: null };

/** No probe came back for so long. */
const DEAD_AFTER_MS = 1_000;
/** Worse than this: poor. */
const POOR = { loss: 0.05, share: 1.5, slackMs: 30, forMs: 2_000 } as const;
/** No worse than this: well again. */
const WELL = { loss: 0.01, share: 1.2, slackMs: 15, forMs: 30_000 } as const;
/** Fewer probes say nothing. */
const ENOUGH_PROBES = 8;
/** Weight of a reading in the usual round trip: a minute of readings, two a second. */
const USUAL_WEIGHT = 1 / 120;

/** The way after a reading. */
export function afterReading(state: WayState, { quality, silentMs }: WayReading, nowMs: number): WayState {
  if (silentMs > DEAD_AFTER_MS) return { ...state, health: 'dead', otherwiseSinceMs: null };
  // Better than none, and not yet trusted.
  if (state.health === 'dead') return { ...state, health: 'poor', otherwiseSinceMs: nowMs };
  if (quality === null || quality.rttMs === null || quality.probes < ENOUGH_PROBES) return state;
  const { p50 } = quality.rttMs;
  const { usualMs } = state;
  const isWithin = ({ loss, share, slackMs }: typeof POOR | typeof WELL) =>
    quality.loss <= loss && (usualMs === null || p50 <= usualMs * share + slackMs);
  const saysOtherwise = state.health === 'well' ? !isWithin(POOR) : isWithin(WELL);
  if (!saysOtherwise) {
    const next = usualMs === null ? p50 : usualMs + USUAL_WEIGHT * (p50 - usualMs);
    return { ...state, usualMs: state.health === 'well' ? next : usualMs, otherwiseSinceMs: null };
  }
  const sinceMs = state.otherwiseSinceMs ?? nowMs;
  const { forMs } = state.health === 'well' ? POOR : WELL;
  if (nowMs - sinceMs < forMs) return { ...state, otherwiseSinceMs: sinceMs };
  return { ...state, health: state.health === 'well' ? 'poor' : 'well', otherwiseSinceMs: null };
}

/**
 * Index of the way to use: the first that is well; where none is, the present one unless it is dead and another is not.
 * @param ways the preferred one first
 */
export function chosenWay(ways: readonly WayState[], present: number): number {
  const well = ways.findIndex(({ health }) => health === 'well');
  if (well >= 0) return well;
  if (ways[present]?.health !== 'dead') return present;
  const poor = ways.findIndex(({ health }) => health === 'poor');
  return poor >= 0 ? poor : present;
}
