/**
 * Calls that come and go, for as long as one likes: whether a POP and a core hold more after it than before. Real
 * processes and whole conversations through REST and signaling, as in the chaos runs; each node collects its garbage
 * before it is looked at, so that what grows is what is kept. A leak is what is proven: the slope less its error.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChaosCaller } from '../test/chaos/caller/chaos-caller.ts';
import { AGENT, API_KEY, ChaosCluster, type ChaosNode } from '../test/chaos/cluster/chaos-cluster.ts';
import { LoopbackHosts } from '../test/chaos/cluster/loopback-hosts.ts';
import { makeCallerIdentity } from '../test/chaos/web-rtc/caller-identity.ts';
import { SpokenPackets } from '../test/chaos/words/spoken-packets.ts';
import { mulberry32 } from '../test/fakes/lognormal.ts';
import { type BenchOptions, result } from './result.ts';
import { heapOf, resourcesOf } from './soak/resources.ts';
import { type Sample, slopeOf } from './soak/slope.ts';

const COLLECT = join(import.meta.dirname, 'soak/gc-on-signal.mjs');
const DEFAULT_SECONDS = 90;
/** Between samples, and how many there are at most. */
const SAMPLE_MS = 3_000;
const MOST_SAMPLES = 300;
/** Time for the collector after it was told. */
const COLLECTED_MS = 250;
/** Share of the time that is not measured: code is compiled, pools and caches fill. */
const WARM_UP_SHARE = 0.25;
/** In less time memory grows by what is kept on purpose: an ended session for five minutes. It has no bound then. */
const MEMORY_FROM_SECONDS = 1_200;
/** So many turns, then a call ends and another begins. */
const TURNS = { least: 1, most: 4 } as const;
const STUCK_MS = 60_000;
/** What may grow in an hour, of a node or its worker. */
const BOUNDS = { RssMib: 30, HeapMib: 10, Descriptors: 5, Sockets: 5, UdpPorts: 5, Timers: 10 } as const;
type Held = keyof typeof BOUNDS;

export async function run({ calls = 6, seconds = DEFAULT_SECONDS, progress, signal }: BenchOptions) {
  await using stack = new AsyncDisposableStack();
  progress('starting a cluster');
  const network = stack.use(new LoopbackHosts({ reason: 'a benchmark', cuts: false, delayMs: 0 }));
  const cluster = stack.use(await ChaosCluster.start({ network, seed: 1, calls, keepLogs: null }));
  const settings = { environment: { NODE_OPTIONS: `--import=${COLLECT}` } };
  const [core, pop] = await Promise.all([
    cluster.startNode('core', 'core-1', settings),
    cluster.startNode('edge', 'pop-1', settings),
  ]);
  await cluster.untilKnown(pop, [core.nodeId], signal);
  const churn = new Churn(pop, await makeCallerIdentity(), stack.use(await SpokenPackets.create()));
  const over = new AbortController();
  const ended = AbortSignal.any([over.signal, signal]);
  const lines = Array.from({ length: calls }, (_, line) => churn.run(line, ended));
  const samples = new Map<string, Sample[]>();
  const beganMs = performance.now();
  const fromMs = beganMs + seconds * 1_000 * WARM_UP_SHARE;
  const untilMs = beganMs + seconds * 1_000;
  while (performance.now() < untilMs) {
    await sleep(Math.max(SAMPLE_MS, (seconds * 1_000) / MOST_SAMPLES), undefined, { signal });
    const atMs = performance.now();
    progress(`${Math.max(0, Math.round((untilMs - atMs) / 1_000))} s left, ${churn.done} calls are over`);
    if (atMs < fromMs) continue;
    for (const node of [pop, core]) await sample(node, atMs, samples);
  }
  over.abort();
  await Promise.all(lines);
  const figures: Record<string, number | null> = {
    ...{ calls, seconds, callsOver: churn.done, callsFailed: churn.failed.length },
  };
  const budget: Record<string, number> = { callsFailed: 0 };
  for (const [name, taken] of samples) {
    const slope = slopeOf(taken);
    figures[`${name}Last`] = taken.at(-1)?.value ?? null;
    figures[`${name}PerHour`] = slope?.perHour ?? null;
    figures[`${name}PerHourError`] = slope?.errorPerHour ?? null;
    figures[`${name}ProvenPerHour`] = slope === null ? null : Math.max(0, slope.perHour - slope.errorPerHour);
    const held = (Object.keys(BOUNDS) as Held[]).find((each) => name.endsWith(each))!;
    if (seconds >= MEMORY_FROM_SECONDS || !held.endsWith('Mib')) budget[`${name}ProvenPerHour`] = BOUNDS[held];
  }
  return result('soak', 'Do a POP and a core hold more after calls have come and gone?', figures, budget, [
    'PerHour is the slope of the samples, PerHourError half of its interval of 95 %, ProvenPerHour the least that it can be.',
    `Memory has a bound from ${MEMORY_FROM_SECONDS} s on: ended sessions are kept for five minutes. Timers are those that hold a process.`,
    ...churn.failed.slice(0, 3),
  ]);
}

/** Calls, one after the other, on several lines. */
class Churn {
  readonly #pop: ChaosNode;
  readonly #identity: Awaited<ReturnType<typeof makeCallerIdentity>>;
  readonly #packets: SpokenPackets;
  readonly #random = mulberry32(1);
  #begun = 0;
  done = 0;
  readonly failed: string[] = [];

  constructor(pop: ChaosNode, identity: Awaited<ReturnType<typeof makeCallerIdentity>>, packets: SpokenPackets) {
    this.#pop = pop;
    this.#identity = identity;
    this.#packets = packets;
  }

  /** Until the signal; the last call is held to its end. */
  async run(line: number, signal: AbortSignal): Promise<void> {
    await sleep(line * 500);
    while (!signal.aborted) {
      await this.#hold().catch((error: Error) => this.failed.push(error.message));
      this.done += 1;
    }
  }

  async #hold(): Promise<void> {
    const turns = TURNS.least + Math.floor(this.#random() * (TURNS.most - TURNS.least + 1));
    const enough = Promise.withResolvers<void>();
    this.#begun += 1;
    const caller = await ChaosCaller.create({
      ...{ call: this.#begun, url: this.#pop.url, apiKey: API_KEY, agent: AGENT },
      ...{ identity: this.#identity, packets: this.#packets, random: this.#random },
      onTurn: (done) => {
        if (done >= turns) enough.resolve();
      },
    });
    const stuck = setTimeout(() => enough.resolve(), STUCK_MS);
    try {
      await caller.start();
      await enough.promise;
      if (caller.turnsDone < turns) throw new Error(`call ${caller.log.call} was not answered: ${caller.log.ended}`);
    } finally {
      clearTimeout(stuck);
      await caller.close();
    }
  }
}

async function sample(node: ChaosNode, atMs: number, samples: Map<string, Sample[]>): Promise<void> {
  const { process, url } = node;
  process.signal('SIGUSR2');
  await sleep(COLLECTED_MS);
  const name = node.role === 'edge' ? 'pop' : 'core';
  const own = await resourcesOf(process.pid);
  const { heapMib, timers } = await heapOf(url, API_KEY);
  const [worker] = await process.children('mediasoup-worker');
  const workers = worker === undefined ? null : await resourcesOf(worker);
  const held: [string, number][] = [
    [`${name}RssMib`, own.rssMib],
    [`${name}HeapMib`, heapMib],
    [`${name}Timers`, timers],
    [`${name}Descriptors`, own.descriptors],
    [`${name}Sockets`, own.sockets],
    ...(workers === null
      ? []
      : ([
          [`${name}WorkerRssMib`, workers.rssMib],
          [`${name}WorkerDescriptors`, workers.descriptors],
          [`${name}WorkerUdpPorts`, workers.udpPorts],
        ] satisfies [string, number][])),
  ];
  for (const [key, value] of held) {
    const taken = samples.get(key) ?? [];
    taken.push({ atMs, value });
    samples.set(key, taken);
  }
}
