/**
 * `antipode drain NODE`: orders a node to drain, or to take sessions again, and shows how many sessions are left. The order
 * goes through the registry, so it can be given from any machine, or to the node itself by its URL. Owns the waiting and
 * the exit codes; what a node does is its own.
 */
import { z } from 'zod';
import { delay } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Registry } from '../registry/index.ts';
import { durationText } from './duration.ts';
import type { Terminal } from './live-screen.ts';
import { askNode, keyOf, nodeUrlOf, type OperatorOptions, registryOf } from './operator-source.ts';

export interface DrainCommandOptions extends OperatorOptions {
  node: string;
  /** Take sessions again. */
  undo?: boolean;
  /** Until no session is left, or until the node serves again. */
  wait?: boolean;
  /** Longest that is waited. @defaultValue 900 */
  timeoutSeconds?: number;
  out: Terminal;
  /** Ends the waiting; the order stands. */
  signal?: AbortSignal;
}

/** 0: done. 1: the node vanished. 2: the time is over, and sessions are left. */
export type DrainExit = 0 | 1 | 2;

const DEFAULT_TIMEOUT_SECONDS = 900;
const ASK_EVERY_MS = 1_000;

const drainAnswerSchema = z.object({ nodeId: z.string(), draining: z.boolean(), sessions: z.number().int() });
type DrainState = Pick<z.infer<typeof drainAnswerSchema>, 'draining' | 'sessions'>;

/** @throws ERR_NOT_FOUND for a node that is not alive, ERR_REGISTRY_*, ERR_UNAUTHORIZED, ERR_SERVICE_* */
export async function drainCommand(options: DrainCommandOptions): Promise<DrainExit> {
  const base = nodeUrlOf(options);
  if (base !== null) return drainByUrl(options, base);
  await using registry = await registryOf(options);
  const { node, undo = false, wait = false, out } = options;
  await registry.orders.drain(node, !undo);
  out.write(`${node} is ordered to ${undo ? 'take sessions again' : 'drain'}.\n`);
  return wait ? await waitByRegistry(options, registry) : 0;
}

async function waitByRegistry(options: DrainCommandOptions, registry: Registry): Promise<DrainExit> {
  const { node, undo = false } = options;
  const progress = new Progress(options);
  const over = Promise.withResolvers<'done' | 'left'>();
  using _watching = registry.watch((change) => {
    if (change.node.nodeId !== node) return;
    if (change.kind === 'left') over.resolve('left');
    else if (progress.told({ draining: change.node.draining, sessions: change.node.load.sessions }))
      over.resolve('done');
  });
  const how = await orTimeout(options, over.promise);
  if (how === null) return progress.timedOut();
  if (how === 'done') return progress.done();
  const lost = (await registry.presences()).some((known) => known.node.nodeId === node && known.leaseMs <= 0);
  return lost || undo ? progress.vanished() : progress.done();
}

async function drainByUrl(options: DrainCommandOptions, base: string): Promise<DrainExit> {
  const { node, undo = false, wait = false, out, clock } = options;
  const ask = (method: string) =>
    askNode({ base, path: '/v1/drain', method, key: keyOf(options), schema: drainAnswerSchema });
  const known = await ask('GET');
  if (known.nodeId !== node) {
    throw new AntipodeError('ERR_NOT_FOUND', `${base} is ${known.nodeId}, not ${node}: name that node's own URL.`);
  }
  const first = await ask(undo ? 'DELETE' : 'POST');
  out.write(`${node} ${undo ? 'takes sessions again' : 'drains'}.\n`);
  if (!wait) return 0;
  const progress = new Progress(options);
  const ending = new AbortController();
  const until = async (): Promise<'done'> => {
    for (let state: DrainState = first; !progress.told(state); state = await ask('GET')) {
      await delay(clock, ASK_EVERY_MS, ending.signal);
    }
    return 'done';
  };
  try {
    return (await orTimeout(options, until())) === null ? progress.timedOut() : progress.done();
  } catch (error) {
    // A node that was stopped meanwhile is gone when its sessions are.
    if (error instanceof AntipodeError && error.code === 'ERR_SERVICE_UNAVAILABLE') return progress.vanished();
    throw error;
  } finally {
    ending.abort(new Error('the waiting is over'));
  }
}

/** Null when the time is over or the signal came. Keeps the process alive meanwhile. */
async function orTimeout<T>(options: DrainCommandOptions, work: Promise<T>): Promise<T | null> {
  const { clock, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS, signal } = options;
  const alive = setInterval(() => undefined, 60_000);
  const over = Promise.withResolvers<null>();
  const timer = clock.setTimeout(() => over.resolve(null), timeoutSeconds * 1_000);
  const onAbort = () => over.resolve(null);
  signal?.addEventListener('abort', onAbort, { once: true });
  work.catch(() => undefined); // it may fail after the waiting is over
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    clearInterval(alive);
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** What is shown while one waits: in a terminal one line that changes, elsewhere a line for each change. */
class Progress {
  readonly #options: DrainCommandOptions;
  readonly #startedMs: number;
  #sessions: number | null = null;
  #open = false;

  constructor(options: DrainCommandOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  /** Whether that is what is waited for. */
  told({ draining, sessions }: DrainState): boolean {
    const { undo = false } = this.#options;
    if (undo) return !draining;
    if (draining && sessions !== this.#sessions) {
      this.#sessions = sessions;
      this.#show(`${sessions} session${sessions === 1 ? ' is' : 's are'} left`);
    }
    return draining && sessions === 0;
  }

  done(): DrainExit {
    const { node, undo = false } = this.#options;
    this.#say(`${node} ${undo ? 'takes sessions again' : 'has no session any more'}, after ${this.#tookText()}.`);
    return 0;
  }

  vanished(): DrainExit {
    this.#say(`${this.#options.node} is gone, after ${this.#tookText()}.`);
    return 1;
  }

  timedOut(): DrainExit {
    const left = this.#sessions === null ? 'nothing was heard of it yet' : `${this.#sessions} sessions are left`;
    this.#say(`${this.#options.node}: ${left} after ${this.#tookText()}. The order stands; --undo takes it back.`);
    return 2;
  }

  #tookText(): string {
    return durationText(this.#options.clock.now() - this.#startedMs);
  }

  #show(words: string): void {
    const { out } = this.#options;
    if (out.isTTY !== true) out.write(`${words}\n`);
    else out.write(`\r${words}\u001b[K`);
    this.#open = out.isTTY === true;
  }

  #say(words: string): void {
    this.#options.out.write(`${this.#open ? '\n' : ''}${words}\n`);
    this.#open = false;
  }
}
