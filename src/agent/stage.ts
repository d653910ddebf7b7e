/**
 * A stage of a pipeline and the composition of stages. Owns the contract only; who calls `process`, in which order and
 * until when, is the scheduler's.
 */
import type { Frame } from './frames.ts';

/** Hand a frame to the next stage. May be kept and called later; after the frame's turn is over it does nothing. */
export type Emit = (frame: Frame) => void;

/**
 * One step of the conversation.
 *
 * @example
 * ```ts
 * const shout: Stage = {
 *   name: 'shout',
 *   process(frame, emit) {
 *     emit(frame.kind === 'reply-text' ? { ...frame, text: frame.text.toUpperCase() } : frame);
 *   },
 *   close() {},
 * };
 * ```
 */
export interface Stage {
  readonly name: string;
  /**
   * Called for each frame, in order within its stream (a turn, or the caller). While a returned promise is pending,
   * later frames of the same stream wait; other streams go on. A stage passes on what it does not consume.
   * Work for a turn ends when `frame.turn.signal` is aborted. A rejection fails the turn, or, on a frame without a
   * turn, the call.
   */
  process(frame: Frame, emit: Emit): void | Promise<void>;
  /** Let go of everything within 100 ms. Idempotent. */
  close(): void | Promise<void>;
}

/** Stages in the order that frames pass them. */
export interface Chain {
  readonly stages: readonly Stage[];
}

/** Compose stages, and chains of them, into one chain. */
export function chain(...parts: readonly (Stage | Chain)[]): Chain {
  return { stages: parts.flatMap((part) => ('stages' in part ? part.stages : [part])) };
}
