/** A turn ends when a speech-to-text service says so by itself (`continuousHearing` brings its events). */
import type { EndOfTurn } from './end-of-turn.ts';

export function sttEnd(): EndOfTurn {
  return {
    name: 'stt',
    open(report) {
      let listening = false;
      return {
        begin() {
          listening = true;
        },
        voice() {},
        stt({ event }) {
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
