/**
 * Several judges of turn ends: the first that is certain decides, the first that finds an end probable lets an answer be
 * prepared, and only the one that found it probable can take that back.
 */
import type { EndOfTurn, EndWatch } from './end-of-turn.ts';

export function firstOf(...judges: readonly [EndOfTurn, ...EndOfTurn[]]): EndOfTurn {
  return {
    name: judges.map(({ name }) => name).join('+'),
    open(report) {
      let guesser: EndOfTurn | null = null;
      const watches = judges.map(
        (judge): EndWatch =>
          judge.open((verdict, by = judge.name) => {
            if (verdict === 'certain') {
              for (const watch of watches) watch.end();
              report('certain', by);
            } else if (verdict === 'probable') {
              guesser ??= judge;
              report('probable', by);
            } else if (guesser === judge) {
              guesser = null;
              report('going-on', by);
            }
          }),
      );
      const each = (tell: (watch: EndWatch) => void) => () => watches.forEach(tell);
      return {
        begin() {
          guesser = null;
          for (const watch of watches) watch.begin();
        },
        voice(frame) {
          if (frame.quietMs === 0) guesser = null;
          for (const watch of watches) watch.voice(frame);
        },
        audio(frame) {
          for (const watch of watches) watch.audio?.(frame);
        },
        stt(frame) {
          for (const watch of watches) watch.stt?.(frame);
        },
        end: each((watch) => watch.end()),
        close: each((watch) => watch.close()),
      };
    },
  };
}
