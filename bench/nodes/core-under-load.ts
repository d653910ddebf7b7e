/**
 * A real core process and a fake POP that offers calls to it, as two processes of this machine: the core perhaps on one
 * CPU with all that belongs to it, and the load on another. Owns both and their state folder.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FakePopAsk, FakePopReport } from '../fake-pop/messages.ts';
import type { ScriptPart } from '../fake-pop/script.ts';
import { Child } from './child.ts';
import type { NodeAsk, NodeUsage } from './messages.ts';

export const CORE_CPU = 0;
const LOAD_CPU = 1;

export interface CoreUnderLoadOptions {
  /** From the root of the repository. */
  agentsDir?: string;
  /** Node, media worker and all threads of the core on CORE_CPU, the load on another. */
  pinned?: boolean;
  /** Of the core. */
  environment?: Readonly<Record<string, string>>;
  settings?: Readonly<Record<string, unknown>>;
  /** The core logs errors only. */
  quiet?: boolean;
}

export interface Calls {
  calls: number;
  agent: string;
  metadata: Record<string, unknown>;
  script: readonly ScriptPart[];
  /** Callers send nothing in silence. */
  dtx?: boolean;
}

export class CoreUnderLoad implements AsyncDisposable {
  readonly core: Child<NodeAsk>;
  readonly pop: Child<FakePopAsk>;
  readonly #owned: AsyncDisposableStack;

  private constructor(core: Child<NodeAsk>, pop: Child<FakePopAsk>, owned: AsyncDisposableStack) {
    this.core = core;
    this.pop = pop;
    this.#owned = owned;
  }

  /** @throws when either process does not start, or when there is no second CPU to pin to */
  static async start(options: CoreUnderLoadOptions = {}): Promise<CoreUnderLoad> {
    const { agentsDir = 'bench/agents', pinned = false, environment, settings, quiet } = options;
    if (pinned && availableParallelism() < 2) throw new Error('The core and its load need a CPU each: two at least.');
    await using stack = new AsyncDisposableStack();
    const stateDir = await mkdtemp(join(tmpdir(), 'antipode-bench-'));
    stack.defer(() => rm(stateDir, { recursive: true, force: true }));
    const core = stack.use(
      new Child<NodeAsk>({
        name: 'core',
        file: join(import.meta.dirname, 'node-process.ts'),
        args: ['core'],
        cpu: pinned ? CORE_CPU : null,
        environment,
      }),
    );
    const pop = stack.use(
      new Child<FakePopAsk>({
        name: 'fake POP',
        file: join(import.meta.dirname, '../fake-pop/process.ts'),
        cpu: pinned ? LOAD_CPU : null,
      }),
    );
    const address = await core.ask<{ nodeId: string; host: string; port: number }>({
      type: 'start',
      stateDir,
      agentsDir,
      core: null,
      settings,
      quiet,
    });
    await pop.ask({ type: 'start', stateDir, core: address });
    return new CoreUnderLoad(core, pop, stack.move());
  }

  open(calls: Calls): Promise<null> {
    return this.pop.ask({ type: 'open', ...calls });
  }

  /** Forget what was measured up to now. */
  measure(): Promise<null> {
    return this.pop.ask({ type: 'measure' });
  }

  report(): Promise<FakePopReport> {
    return this.pop.ask({ type: 'report' });
  }

  usage(): Promise<NodeUsage> {
    return this.core.ask({ type: 'usage' });
  }

  hangUp(): Promise<null> {
    return this.pop.ask({ type: 'hang-up' });
  }

  /** In order where the processes still answer; else they are just ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.pop.ask({ type: 'hang-up' })]);
    await Promise.allSettled([this.core.ask({ type: 'close' })]);
    await Promise.allSettled([this.pop.ask({ type: 'close' })]);
    await this.#owned.disposeAsync();
  }
}
