/** The page's own clock behind the Clock interface that the rest of the product takes. */
import type { Clock } from '../../../src/clock.ts';

export const browserClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  setTimeout(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
