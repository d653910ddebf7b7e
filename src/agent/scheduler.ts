/**
 * Runs one call's chain: hands each frame to each stage in turn, keeps the order within a stream, drops what belongs
 * to a turn that is over, and lets go of everything on close. One per session; no task per stage. Knows nothing of
 * what the frames mean.
 */
import type { Clock } from '../clock.ts';
import { type AntipodeError, asAntipodeError } from '../errors.ts';
import type { Counter, Logger } from '../telemetry/index.ts';
import type { Frame } from './frames.ts';
import type { Chain, Emit, Parallel, Stage } from './stage.ts';
import type { Turn } from './turn.ts';

export interface SchedulerOptions {
  chain: Chain;
  clock: Clock;
  log: Logger;
  /** Counts stages that did not stop in time. */
  slowStops: Counter<'stage'>;
  /** A stage broke on a frame that belongs to no turn, or fell hopelessly behind: the call cannot go on. */
  onFailure(error: AntipodeError): void;
  /** Calls into a stage go through this, such as to mark whom the stage works for. */
  run?(work: () => void | Promise<void>): void | Promise<void>;
  /** Takes what leaves the last stage; without it that is dropped, and a failure that no stage answered ends its turn. */
  onOutput?(frame: Frame): void;
  /** A stage that was told to stop has this long. */
  stopTimeoutMs?: number;
  /** Frames that may wait before one stage; the caller's voice is 50 a second. */
  maxWaiting?: number;
}

export const SCHEDULER_DEFAULTS = { stopTimeoutMs: 100, maxWaiting: 1_500 } as const;

/** Frames of one stream before one stage. */
interface Lane {
  busy: boolean;
  /** What the stage still works on. */
  work: Promise<void> | null;
  readonly waiting: Frame[];
}

interface Step {
  readonly stage: Stage;
  readonly emit: Emit;
  readonly callerLane: Lane;
  readonly turnLanes: Map<Turn, Lane>;
}

export class Scheduler {
  readonly #options: SchedulerOptions & { stopTimeoutMs: number; maxWaiting: number };
  readonly #steps: Step[];
  readonly #knownTurns = new Set<Turn>();
  #closing: Promise<void> | null = null;

  constructor(options: SchedulerOptions) {
    this.#options = { ...SCHEDULER_DEFAULTS, ...options };
    this.#steps = options.chain.stages.map((part, index) => ({
      stage: 'branches' in part ? sideBySide(part, options) : part,
      emit: (frame) => this.#deliver(index + 1, frame),
      callerLane: newLane(),
      turnLanes: new Map(),
    }));
  }

  /** Put a frame in at the head of the chain. */
  push(frame: Frame): void {
    this.#deliver(0, frame);
  }

  #deliver(index: number, frame: Frame): void {
    if (this.#closing !== null || frame.turn?.settled) return;
    const step = this.#steps[index];
    if (step === undefined && this.#options.onOutput) {
      this.#options.onOutput(frame);
      return;
    }
    if (step === undefined) {
      // A failure that no stage answered must not leave its turn open for ever.
      if (frame.kind === 'turn-failed') frame.turn.abort('failed');
      return;
    }
    const lane = frame.turn === undefined ? step.callerLane : this.#turnLane(step, frame.turn);
    if (!lane.busy) {
      this.#run(index, step, lane, frame);
      return;
    }
    if (lane.waiting.length >= this.#options.maxWaiting) {
      lane.waiting.length = 0;
      this.#fail(index, step, frame, new Error(`${this.#options.maxWaiting} frames wait for stage ${step.stage.name}`));
      return;
    }
    lane.waiting.push(frame);
  }

  #run(index: number, step: Step, lane: Lane, first: Frame): void {
    lane.busy = true;
    for (let frame: Frame | undefined = first; frame !== undefined; frame = lane.waiting.shift()) {
      if (this.#closing !== null || frame.turn?.settled) continue;
      const current: Frame = frame;
      try {
        const { run } = this.#options;
        const result = run ? run(() => step.stage.process(current, step.emit)) : step.stage.process(current, step.emit);
        if (result === undefined) continue;
        lane.work = result
          .catch((error: unknown) => this.#fail(index, step, current, error))
          .then(() => {
            lane.work = null;
            const next = lane.waiting.shift();
            if (next === undefined) lane.busy = false;
            else this.#run(index, step, lane, next);
          });
        return;
      } catch (error) {
        this.#fail(index, step, current, error);
      }
    }
    lane.busy = false;
  }

  #fail(index: number, step: Step, frame: Frame, cause: unknown): void {
    const stage = step.stage.name;
    if (this.#closing !== null || frame.turn?.signal.aborted) return;
    const error = asAntipodeError(cause, 'ERR_AGENT_FAILED', `Stage ${stage} failed.`);
    this.#options.log.error({ err: error, stage, turn: frame.turn?.number, frame: frame.kind }, 'a stage failed');
    if (frame.turn === undefined) this.#options.onFailure(error);
    else this.#deliver(index + 1, { kind: 'turn-failed', turn: frame.turn, stage, error });
  }

  #turnLane(step: Step, turn: Turn): Lane {
    let lane = step.turnLanes.get(turn);
    if (lane === undefined) {
      lane = newLane();
      step.turnLanes.set(turn, lane);
      if (!this.#knownTurns.has(turn)) {
        this.#knownTurns.add(turn);
        turn.onSettled(() => this.#dropTurn(turn));
      }
    }
    return lane;
  }

  #dropTurn(turn: Turn): void {
    this.#knownTurns.delete(turn);
    for (const step of this.#steps) {
      const lane = step.turnLanes.get(turn);
      if (lane === undefined) continue;
      lane.waiting.length = 0;
      step.turnLanes.delete(turn);
      if (lane.work !== null) void this.#watchStop(step.stage.name, lane.work);
    }
  }

  /** Resolves when `work` has settled or its time to stop is over; the latter is logged and counted. */
  #watchStop(stage: string, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#options.log.warn({ stage, stopTimeoutMs: this.#options.stopTimeoutMs }, 'a stage did not stop in time');
        this.#options.slowStops.inc({ stage });
        resolve();
      }, this.#options.stopTimeoutMs);
      const settle = () => {
        timer.cancel();
        resolve();
      };
      work.then(settle, settle);
    });
  }

  /** Close every stage; resolves within `stopTimeoutMs`, whatever they do. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(
      this.#steps.map((step) => {
        const lanes = [step.callerLane, ...step.turnLanes.values()];
        for (const lane of lanes) lane.waiting.length = 0;
        step.turnLanes.clear();
        const closing = this.#closeStage(step.stage).catch((error: unknown) => {
          this.#options.log.error({ err: error, stage: step.stage.name }, 'a stage failed to close');
        });
        return this.#watchStop(step.stage.name, Promise.all([closing, ...lanes.map((lane) => lane.work)]));
      }),
    );
    this.#knownTurns.clear();
  }

  async #closeStage(stage: Stage): Promise<void> {
    const { run } = this.#options;
    await (run ? run(() => stage.close()) : stage.close());
  }
}

/** Branches as one stage, each run by a scheduler of its own. */
function sideBySide({ branches, choose }: Parallel, options: SchedulerOptions): Stage {
  let emit: Emit = () => {};
  const entered = new WeakSet<Frame>();
  const passedOn = new WeakSet<Frame>();
  const onOutput = (frame: Frame): void => {
    if (entered.has(frame)) {
      if (passedOn.has(frame)) return;
      passedOn.add(frame);
    }
    emit(frame);
  };
  const schedulers = branches.map((branch) => new Scheduler({ ...options, chain: branch, onOutput }));
  return {
    name: 'parallel',
    process(frame, next) {
      emit = next;
      entered.add(frame);
      if (choose) schedulers[choose(frame)]?.push(frame);
      else for (const scheduler of schedulers) scheduler.push(frame);
    },
    async close() {
      await Promise.all(schedulers.map((scheduler) => scheduler.close()));
    },
  };
}

function newLane(): Lane {
  return { busy: false, work: null, waiting: [] };
}
