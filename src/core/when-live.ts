/** When an ear that was fed faster than real time, as after a take-over, has caught up. Owns nothing but the watch. */
import type { Ear } from '../agent/types.ts';
import type { Clock } from '../clock.ts';

const FRAME_MS = 20;
const WATCH_MS = 200;
/** A little more than real time: a network gives in bursts. */
const LIVE_SPEED = 1.5;

/** Calls `onLive` once, from a frame of the ear; the function that it returns ends the watch. */
export function whenLive(ear: Pick<Ear, 'onFrame'>, clock: Clock, onLive: () => void): () => void {
  let sinceMs = clock.now();
  let frames = 0;
  const stop = ear.onFrame(() => {
    frames += 1;
    const passedMs = clock.now() - sinceMs;
    if (passedMs < WATCH_MS) return;
    const live = frames * FRAME_MS <= passedMs * LIVE_SPEED;
    sinceMs = clock.now();
    frames = 0;
    if (!live) return;
    stop();
    onLive();
  });
  return stop;
}
