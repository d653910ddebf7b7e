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
  readonly stages: readonly (Stage | Parallel)[];
}

/** Chains side by side, each with its own order: what one of them waits for does not hold up the others. */
export interface Parallel {
  readonly branches: readonly Chain[];
  /** Index of the one branch that gets this frame; every branch does where it is absent. */
  readonly choose?: (frame: Frame) => number;
}

/** What a chain is composed of. */
export type Part = Stage | Chain | Parallel;

/** Compose stages, and chains of them, into one chain. */
export function chain(...parts: readonly Part[]): Chain {
  return { stages: parts.flatMap((part) => ('stages' in part ? part.stages : [part])) };
}

/**
 * Give every frame to every branch. What the branches emit goes on in the order in which they emit it; a frame that
 * several of them pass on untouched goes on once, when the first of them does. A branch that only listens therefore
 * need not pass on anything, and one that fails a turn fails it for all.
 *
 * @example
 * ```ts
 * chain(listen({ call, vad }), takeTurns({ call }), transcribe(...), parallel(answerByModel(...), judge(...)), speak(...))
 * ```
 */
export function parallel(...branches: readonly Part[]): Parallel {
  return { branches: branches.map((branch) => chain(branch)) };
}

/** Give each frame to the one branch that `choose` names by its index, asked anew for every frame. */
export function switched(choose: (frame: Frame) => number, ...branches: readonly Part[]): Parallel {
  return { ...parallel(...branches), choose };
}

/** A stage that lets a frame through while `open` says so, and drops it otherwise. */
export function gate(name: string, open: (frame: Frame) => boolean): Stage {
  return {
    name,
    process(frame, emit) {
      if (open(frame)) emit(frame);
    },
    close() {},
  };
}
