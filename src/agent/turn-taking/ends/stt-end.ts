/**
 * A turn ends when a speech-to-text service says so by itself (`hearContinuously` brings its events). A service that was
 * asked for its words, as when an end is probable, says no more of these: then silence ends the turn.
 */
import type { EndOfTurn } from './end-of-turn.ts';

export interface SttEndOptions {
  /** Silence that ends a turn whose words were asked for, as the service itself would have waited. */
  askedMs?: number;
}

/**
 * Deepgram's adapter has the service wait for 300 ms (`endpointingMs`). Voice activity notices the silence some 80 ms late,
 * and tells of it in windows of 32 ms.
 */
export const STT_END_DEFAULTS = { askedMs: 224 } as const satisfies Required<SttEndOptions>;

export function sttEnd(options: SttEndOptions = {}): EndOfTurn {
  const { askedMs } = { ...STT_END_DEFAULTS, ...options };
  return {
    name: 'stt',
    open(report) {
      let listening = false;
      let asked = false;
      return {
        begin() {
          listening = true;
        },
        voice({ silentMs }) {
          if (!listening || !asked || silentMs < askedMs) return;
          listening = false;
          report('certain');
        },
        stt({ event }) {
          asked = event === 'asked' || (asked && event !== 'words' && event !== 'ended');
          if (!listening) return;
          if (event === 'ended') {
            listening = false;
            report('certain');
          } else if (event === 'probably-ended') report('probable');
          else if (event === 'resumed') report('going-on');
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
