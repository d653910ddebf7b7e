/** Voice activity by loudness alone, for callers whose words are tones: the interface of the batched model. */
import type { VadBatcher } from '../../../src/agent/vad/vad-batcher.ts';

const WINDOW = 512;
const LOUD_RMS = 700;

export const loudnessActivity: Pick<VadBatcher, 'open'> = {
  open(listener) {
    const window = new Int16Array(WINDOW);
    let filled = 0;
    return {
      push({ pcm, position, receivedAtMs }) {
        for (let at = 0; at < pcm.length; ) {
          const taken = Math.min(pcm.length - at, WINDOW - filled);
          window.set(pcm.subarray(at, at + taken), filled);
          filled += taken;
          at += taken;
          if (filled < WINDOW) continue;
          filled = 0;
          listener.result({ probability: isLoud(window) ? 0.98 : 0.01, position: position + at, receivedAtMs });
        }
      },
      close() {},
    };
  },
};

function isLoud(window: Int16Array): boolean {
  let energy = 0;
  for (let index = 0; index < window.length; index++) energy += window[index]! * window[index]!;
  return energy > LOUD_RMS * LOUD_RMS * window.length;
}
