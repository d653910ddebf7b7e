/** A turn ends with so much silence. The simplest judge, and the one that needs nothing. */
import type { EndOfTurn } from './end-of-turn.ts';

export interface SilenceOptions {
  /** Silence that ends the turn. */
  endMs?: number;
  /** Silence from which an end is probable, counted from where the voice begins to fade; null to guess never. */
  probableMs?: number | null;
}

export const SILENCE_DEFAULTS = { endMs: 500, probableMs: 96 } as const satisfies Required<SilenceOptions>;

export function silence(options: SilenceOptions = {}): EndOfTurn {
  const { endMs, probableMs } = { ...SILENCE_DEFAULTS, ...options };
  return {
    name: 'silence',
    open(report) {
      let listening = false;
      let guessed = false;
      return {
        begin() {
          listening = true;
          guessed = false;
        },
        voice({ silentMs, quietMs }) {
          if (!listening) return;
          if (quietMs === 0) guessed = false;
          if (silentMs >= endMs) {
            listening = false;
            report('certain');
          } else if (probableMs !== null && quietMs >= probableMs && !guessed) {
            guessed = true;
            report('probable');
          }
        },
        end() {
          listening = false;
        },
        close() {
          listening = false;
        },
      };
    },
  };
}
