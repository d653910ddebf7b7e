/**
 * A turn ends when Smart Turn, hearing the caller's last seconds, finds it finished after a short silence; where it does
 * not, a longer silence ends it. Owns the ring of sound that the model hears. A model that fails is logged and counted
 * by the model itself, and this turn ends by the longer of two silences that its makers would have waited anyway.
 */
import type { Logger } from '../../../telemetry/index.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import type { SmartTurn } from '../smart-turn/smart-turn.ts';
import type { EndOfTurn } from './end-of-turn.ts';

export interface SmartEndOptions {
  model: Pick<SmartTurn, 'probability'>;
  log: Logger;
  /**
   * Silence from which an end is probable, counted from where the voice begins to fade: an answer is prepared while the
   * model is still to be asked.
   */
  probableMs?: number;
  /** Silence after which the model is asked, once a pause. */
  askAfterMs?: number;
  /** Probability from which the turn has ended. */
  threshold?: number;
  /** Silence that ends a turn that the model finds unfinished. */
  unfinishedMs?: number;
  /** Silence that ends a turn when the model did not answer. */
  failedMs?: number;
}

export const SMART_END_DEFAULTS = {
  probableMs: 96,
  askAfterMs: 200,
  threshold: 0.5,
  unfinishedMs: 1_500,
  failedMs: 500,
} as const satisfies Partial<SmartEndOptions>;

/** What the model hears at most. */
const HEARD_SAMPLES = 8 * EAR_SAMPLE_RATE;
/** Sound from before the turn that belongs to it: voice activity notices late. */
const PREROLL_SAMPLES = 0.25 * EAR_SAMPLE_RATE;

export function smartEnd(options: SmartEndOptions): EndOfTurn {
  const { model, log, probableMs, askAfterMs, threshold, unfinishedMs, failedMs } = {
    ...SMART_END_DEFAULTS,
    ...options,
  };
  return {
    name: 'smart-turn',
    open(report) {
      const heard = new SoundRing(HEARD_SAMPLES);
      let listening = false;
      let begunAt = 0;
      /** The question of this pause, or null when it has not been asked. */
      let question: AbortController | null = null;
      let endMs: number = unfinishedMs;
      let guessed = false;

      const forget = () => {
        question?.abort();
        question = null;
        endMs = unfinishedMs;
        guessed = false;
      };
      const ask = async () => {
        const asked = new AbortController();
        question = asked;
        try {
          const probability = await model.probability(heard.since(begunAt), { signal: asked.signal });
          if (question !== asked || !listening || probability < threshold) return;
          listening = false;
          report('certain');
        } catch (error) {
          if (question !== asked) return;
          endMs = failedMs;
          log.warn({ err: error }, 'Smart Turn gave no answer: silence ends this turn');
        }
      };

      return {
        begin() {
          if (!listening) begunAt = heard.position - PREROLL_SAMPLES;
          listening = true;
          forget();
        },
        audio({ audio }) {
          heard.write(audio.pcm);
        },
        voice({ silentMs, quietMs }) {
          if (!listening) return;
          if (quietMs === 0) {
            if (question !== null || guessed) forget();
            return;
          }
          if (silentMs >= endMs) {
            listening = false;
            forget();
            report('certain', 'silence');
            return;
          }
          if (!guessed && quietMs >= probableMs) {
            guessed = true;
            report('probable');
          }
          if (question === null && silentMs >= askAfterMs) void ask();
        },
        end() {
          listening = false;
          forget();
        },
        close() {
          listening = false;
          forget();
        },
      };
    },
  };
}

/** The last seconds of sound, written frame by frame and read whole. */
class SoundRing {
  readonly #ring: Int16Array;
  /** Samples written in all. */
  position = 0;

  constructor(samples: number) {
    this.#ring = new Int16Array(samples);
  }

  write(pcm: Int16Array): void {
    const size = this.#ring.length;
    const at = this.position % size;
    const first = Math.min(pcm.length, size - at);
    this.#ring.set(pcm.subarray(0, first), at);
    if (first < pcm.length) this.#ring.set(pcm.subarray(first), 0);
    this.position += pcm.length;
  }

  /** A copy of what was written since `position`, as far as it is still there; at least a frame of silence. */
  since(position: number): Int16Array<ArrayBuffer> {
    const size = this.#ring.length;
    const from = Math.max(0, position, this.position - size);
    const length = this.position - from;
    if (length === 0) return new Int16Array(320);
    const pcm = new Int16Array(length);
    const at = from % size;
    const first = Math.min(length, size - at);
    pcm.set(this.#ring.subarray(at, at + first), 0);
    if (first < length) pcm.set(this.#ring.subarray(0, length - first), first);
    return pcm;
  }
}
