/**
 * What loss and jitter of a path cost a conversation, as milliseconds that placement counts beside the round trip. A
 * judgment, not a measurement: small against a long way, and never less for a worse path.
 */

export interface PathQuality {
  /** Mean difference between one round trip and the next, ms; null or absent: not measured, and costs nothing. */
  readonly jitterMs?: number | null;
  /** Share of the packets that are lost there and back, 0 to 1; likewise. */
  readonly loss?: number | null;
}

/** A playout buffer holds about twice the jitter. */
const MS_PER_JITTER_MS = 2;
const JITTER_MOST_MS = 200;
/** A lost packet is 20 ms of sound that is made up; of one in a hundred little is heard, of one in ten words go. */
const MS_PER_PERCENT_LOST = 20;
const LOSS_MOST_MS = 400;

export function qualityCostMs({ jitterMs, loss }: PathQuality): number {
  return (
    Math.min(JITTER_MOST_MS, MS_PER_JITTER_MS * (jitterMs ?? 0)) +
    Math.min(LOSS_MOST_MS, MS_PER_PERCENT_LOST * 100 * (loss ?? 0))
  );
}
