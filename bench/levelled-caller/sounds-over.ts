/** From a caller's log to how the agent bore each sound over its voice. Pure. Times are the caller's clock. */
import type { HeardSpurt, SaidSound } from '../fake-pop/messages.ts';
import type { LevelledCallLog } from './levelled-caller.ts';

export interface SoundOver {
  kind: SaidSound['kind'];
  /** From its first sample to the agent's last packet of voice; null: the agent spoke on until after it, and longer. */
  silencedMs: number | null;
  /** From its last sample to the agent's next packet of voice; null: none within `RESUMED_BY_MS`. */
  resumedMs: number | null;
  /** The caller's own process stalled around the beginning or the end: what was measured there is its doing too. */
  stalledAtFirst: boolean;
  stalledAtLast: boolean;
}

/** An agent that falls silent later than this after the end of a sound did it for another reason. */
const SILENCED_BY_MS = 1_500;
/** An agent that begins later than this after the end of a sound says something else. */
export const RESUMED_BY_MS = 1_500;
/** Packets that were late this long before may still have waited; what happens later than this is not what is measured. */
const STALL_BEFORE_MS = 100;
const STALL_AFTER_MS = 700;

/** Of each sound that began and ended over the agent's voice, as far as the log goes. */
export function soundsOver(log: Pick<LevelledCallLog, 'sounds' | 'spurts' | 'stallsAtMs'>, untilMs: number) {
  const { sounds, spurts, stallsAtMs } = log;
  return sounds.flatMap((sound, at): SoundOver[] => {
    if (sound.edge !== 'first') return [];
    const end = sounds.slice(at + 1).find(({ index, edge }) => index === sound.index && edge === 'last');
    if (!end || end.atMs + RESUMED_BY_MS > untilMs) return [];
    const over = spurts.findIndex(({ firstAtMs, lastAtMs }) => firstAtMs < sound.atMs && lastAtMs > sound.atMs);
    const spurt = spurts[over];
    if (!spurt) return [];
    const stalledAt = (atMs: number) =>
      stallsAtMs.some((stallMs) => stallMs > atMs - STALL_BEFORE_MS && stallMs < atMs + STALL_AFTER_MS);
    const stalls = { stalledAtFirst: stalledAt(sound.atMs), stalledAtLast: stalledAt(end.atMs) };
    if (spurt.lastAtMs > end.atMs + SILENCED_BY_MS) {
      return [{ kind: sound.kind, silencedMs: null, resumedMs: null, ...stalls }];
    }
    const next: HeardSpurt | undefined = spurts[over + 1];
    const resumes = next !== undefined && next.firstAtMs <= end.atMs + RESUMED_BY_MS;
    return [
      {
        kind: sound.kind,
        silencedMs: spurt.lastAtMs - sound.atMs,
        resumedMs: resumes ? Math.max(0, next.firstAtMs - end.atMs) : null,
        ...stalls,
      },
    ];
  });
}
