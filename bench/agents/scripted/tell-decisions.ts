/**
 * Two stages around turn-taking that tell the fake POP which window of the caller's voice decided that a turn was over.
 * What the decision was is none of their business.
 */
import { type AgentCall, EAR_FRAME_SAMPLES, EAR_SAMPLE_RATE, type Stage } from '../../../src/agent/index.ts';
import { toMachineMs } from '../../nodes/machine-clock.ts';

/** What the custom event `turn-decided` holds. */
export interface TurnDecided {
  turn: number;
  /** Stream position (samples, 16 kHz) of the deciding window's end. */
  position: number;
  /** Its silence, counted from the last voiced window, ms. */
  silentMs: number;
  /**
   * When the packet that completed that window would have reached the core, had it been as punctual as the most punctual
   * one of the last second; machine's monotonic ms. It tells the packet, whatever the real one's delay was.
   */
  punctualAtMs: number;
}

/** A second of frames. */
const KEPT_FRAMES = 50;

export function tellDecisions(call: Pick<AgentCall, 'send'>): { before: Stage; after: Stage } {
  let last = { position: 0, silentMs: 0 };
  /** Arrival less stream position of the last frames, ms. */
  const delaysMs = new Float64Array(KEPT_FRAMES).fill(Number.POSITIVE_INFINITY);
  let frames = 0;
  return {
    before: {
      name: 'see-voice',
      process(frame, emit) {
        if (frame.kind === 'voice') last = { position: frame.position, silentMs: frame.silentMs };
        else if (frame.kind === 'caller-audio') {
          const { receivedAtMs, position } = frame.audio;
          delaysMs[frames++ % KEPT_FRAMES] = receivedAtMs - toMs(position);
        }
        emit(frame);
      },
      close() {},
    },
    after: {
      name: 'tell-decisions',
      process(frame, emit) {
        emit(frame);
        if (frame.kind !== 'turn-ended' || frame.turn.cause !== 'speech') return;
        frame.turn.onCertain(() => {
          const { position, silentMs } = last;
          const frameStart = Math.floor((position - 1) / EAR_FRAME_SAMPLES) * EAR_FRAME_SAMPLES;
          const punctualAtMs = toMachineMs(Math.min(...delaysMs) + toMs(frameStart));
          const data: TurnDecided = { turn: frame.turn.number, position, silentMs, punctualAtMs };
          call.send({ type: 'custom', name: 'turn-decided', data });
        });
      },
      close() {},
    },
  };
}

function toMs(samples: number): number {
  return (samples * 1_000) / EAR_SAMPLE_RATE;
}
