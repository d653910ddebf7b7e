/**
 * One chaos run: a cluster, calls on it, a scenario, and the account of what the callers heard. Owns the order of things
 * and all that it starts.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../../bench/result.ts';
import { mulberry32 } from '../fakes/lognormal.ts';
import { accountOf, type CallAccount, usualWaits } from './account.ts';
import { ChaosCaller } from './caller/chaos-caller.ts';
import { AGENT, API_KEY, ChaosCluster, type ChaosNode } from './cluster/chaos-cluster.ts';
import type { ChaosNetwork } from './cluster/chaos-network.ts';
import type { Chaos, ChaosBudget, Scenario } from './scenarios/index.ts';
import { makeCallerIdentity } from './web-rtc/caller-identity.ts';
import { SpokenPackets } from './words/spoken-packets.ts';

/** Starts of the calls are spread over this, so that they are struck in all their moments. */
const SPREAD_MS = 5_000;
/** Few calls need less of it. */
const SPREAD_OF_ONE_MS = 1_200;
const WARM_WITHIN_MS = 60_000;
const FEW_CALLS = 6;
/** Callers who are so late say that the machine had no time for anybody. */
const STALLED_MS = 150;
/** The moment of the fault is drawn from so long a time. */
const MOMENT_MS = 3_000;
/** After a scenario is through: time for a turn, and the last one is finished besides. */
const SETTLE_MS = 7_000;

export interface ChaosRunOptions {
  scenario: Scenario;
  calls: number;
  seed: number;
  seconds?: number | undefined;
  network: ChaosNetwork;
  keepLogs: string | null;
  signal: AbortSignal;
  progress(text: string): void;
}

export interface ChaosResult {
  scenario: string;
  seed: number;
  calls: number;
  survived: number;
  gapMs: { p50: number | null; p99: number | null };
  callerWordsLost: number;
  callerWordsRepeated: number;
  agentWordsLost: number;
  agentWordsRepeated: number;
  toolsRunTwice: number;
  turnsUnanswered: number;
  /** Apologies and other sounds that were no numbers. */
  otherWords: number;
  budget: ChaosBudget;
  /** What did not hold besides the figures, in words. */
  broken: string[];
  /** That, and what broke the budget. */
  missed: string[];
  pass: boolean;
  network: ChaosNetwork['kind'];
  notes: string[];
  /** Of each call that lost or repeated something, or ended. */
  troubled: CallAccount[];
}

export async function runChaos(options: ChaosRunOptions): Promise<ChaosResult> {
  const { scenario, calls, seed, network, keepLogs, signal, progress } = options;
  const random = mulberry32(seed);
  await using stack = new AsyncDisposableStack();
  progress('starting Redis, services, a POP and a core');
  const cluster = stack.use(await ChaosCluster.start({ network, seed, calls, keepLogs }));
  const names = (kind: string, count: number) =>
    shuffled(
      random,
      Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`),
    );
  const [coreIds, popIds] = [names('core', scenario.cores), names('pop', scenario.pops)];
  const [core, pop] = await Promise.all([
    cluster.startNode('core', coreIds[0]!, scenario.settings?.('core', calls)),
    cluster.startNode('edge', popIds[0]!, scenario.settings?.('edge', calls)),
  ]);
  await cluster.untilKnown(pop, [core.nodeId], signal);
  progress(`${calls} calls begin`);
  const callers = await startCallers(options, stack, pop, random);
  // They come when the calls are there, so that all of them are struck; and not later, so that nobody starts just then.
  const spares: ChaosNode[] = [];
  for (const [role, ids] of [
    ['core', coreIds],
    ['edge', popIds],
  ] as const) {
    const settings = scenario.settings?.(role, calls);
    for (const nodeId of ids.slice(1)) spares.push(await cluster.startNode(role, nodeId, settings));
  }
  await cluster.untilKnown(
    pop,
    [core, ...spares].map(({ nodeId }) => nodeId),
    signal,
  );
  progress('calls warm up');
  await untilWarm(callers, signal);
  // What a machine loses that starts nodes is not the fault's.
  const calmAtMs = performance.now();
  await sleep(random() * MOMENT_MS, undefined, { signal });
  let struckAtMs = performance.now();
  const notes: string[] = network.note === null ? [] : [network.note];
  const broken: string[] = [];
  const chaos: Chaos = {
    ...{ cluster, callers, core, pop, signal, random },
    spareCores: spares.filter(({ role }) => role === 'core'),
    sparePops: spares.filter(({ role }) => role === 'edge'),
    seconds: options.seconds ?? scenario.seconds ?? 0,
    strike: () => {
      struckAtMs = performance.now();
    },
    wait: (ms) => sleep(ms, undefined, { signal }),
    note: (text) => notes.push(text),
    miss: (text) => broken.push(text),
  };
  progress(scenario.about);
  await scenario.run(chaos);
  progress('calls go on');
  await sleep(SETTLE_MS, undefined, { signal });
  progress('calls end');
  await Promise.all(callers.map((caller) => caller.finish()));
  const ledger = await cluster.ledger();
  await Promise.all(callers.map((caller) => caller.close()));
  if (keepLogs !== null) await keep(keepLogs, { struckAtMs, calls: callers.map(({ log }) => log), ledger });
  const usual = usualWaits(
    callers.map(({ log }) => log),
    struckAtMs,
  );
  const fault = { fromMs: calmAtMs, atMs: struckAtMs, usual };
  const accounts = callers.map(({ log }) => accountOf(log, ledger[String(log.call)], fault));
  await scenario.check?.(accounts, chaos);
  const lateMs = Math.max(...callers.map(({ log }) => log.sendLateMs));
  const isStalled = lateMs > STALLED_MS;
  const trust = isStalled ? ': the machine stalled, and its gaps are not the product’s' : '';
  notes.push(`Callers sent up to ${Math.round(lateMs)} ms late${trust}.`);
  return resultOf(options, accounts, broken, notes);
}

/** All that the callers saw and all that the ledger holds, beside the output of the processes. */
async function keep(dir: string, logs: object): Promise<void> {
  await writeFile(join(dir, 'calls.json'), JSON.stringify(logs));
}

async function startCallers(
  { calls, signal }: ChaosRunOptions,
  stack: AsyncDisposableStack,
  pop: ChaosNode,
  random: () => number,
): Promise<ChaosCaller[]> {
  const packets = stack.use(await SpokenPackets.create());
  const identity = await makeCallerIdentity();
  const spreadMs = Math.min(SPREAD_MS, calls * SPREAD_OF_ONE_MS);
  const startsMs = Array.from({ length: calls }, () => random() * spreadMs);
  const seeds = startsMs.map(() => Math.floor(random() * 2 ** 31));
  const callers: ChaosCaller[] = [];
  const starting = startsMs.map(async (startMs, index) => {
    const options = { call: index + 1, url: pop.url, apiKey: API_KEY, agent: AGENT, identity, packets };
    const caller = await ChaosCaller.create({ ...options, random: mulberry32(seeds[index]!) });
    callers[index] = caller;
    stack.defer(() => caller.close());
    await sleep(startMs, undefined, { signal });
    await caller.start();
  });
  await Promise.all(starting);
  return callers;
}

/**
 * Every call has had a turn answered; of many calls one more, from now on.
 * @throws Error when one does not come to speak with its agent: there is nothing to strike then
 */
async function untilWarm(callers: readonly ChaosCaller[], signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + WARM_WITHIN_MS;
  // Few calls are not held up by nodes that start: any turn of theirs will do.
  const before = callers.map(({ turnsDone }) => (callers.length > FEW_CALLS ? turnsDone : 0));
  for (;;) {
    const cold = callers.filter(({ turnsDone }, index) => turnsDone <= before[index]!);
    if (cold.length === 0) return;
    const ended = cold.find(({ log }) => log.ended !== null);
    if (ended !== undefined || performance.now() > untilMs) {
      const { call, ended: why, heard, said } = (ended ?? cold[0]!).log;
      const words = `heard ${heard.length} words, said ${said.length}`;
      throw new Error(`call ${call} did not become a conversation: ${why ?? 'no answers in time'} (${words})`);
    }
    await sleep(50, undefined, { signal });
  }
}

function resultOf(
  { scenario, calls, seed, network }: ChaosRunOptions,
  accounts: readonly CallAccount[],
  broken: string[],
  notes: string[],
): ChaosResult {
  const gaps = accounts.filter(({ survived }) => survived).map(({ gapMs }) => gapMs);
  const count = (of: (account: CallAccount) => readonly number[]) =>
    accounts.reduce((sum, account) => sum + of(account).length, 0);
  const figures = {
    survived: gaps.length,
    gapMs: { p50: percentile(gaps, 50), p99: percentile(gaps, 99) },
    callerWordsLost: count(({ callerWordsLost }) => callerWordsLost),
    callerWordsRepeated: count(({ callerWordsRepeated }) => callerWordsRepeated),
    agentWordsLost: count(({ agentWordsLost }) => agentWordsLost),
    agentWordsRepeated: count(({ agentWordsRepeated }) => agentWordsRepeated),
    toolsRunTwice: count(({ toolsRunTwice }) => toolsRunTwice),
    turnsUnanswered: accounts.reduce((sum, { turnsUnanswered }) => sum + turnsUnanswered, 0),
    otherWords: accounts.reduce((sum, { otherWords }) => sum + otherWords, 0),
  };
  const budget = scenario.budget(calls);
  const missed = [...broken];
  if (figures.survived < calls) missed.push(`${calls - figures.survived} of ${calls} calls did not survive`);
  const { gapP99Ms, ...most } = budget;
  if ((figures.gapMs.p99 ?? 0) > gapP99Ms) missed.push(`gapMs.p99 ${figures.gapMs.p99} > ${gapP99Ms}`);
  for (const [name, bound] of Object.entries(most)) {
    const value = figures[name as keyof typeof most];
    if (value > bound) missed.push(`${name} ${value} > ${bound}`);
  }
  const troubled = accounts.filter(isTroubled);
  const pass = missed.length === 0;
  return {
    ...{ scenario: scenario.name, seed, calls, ...figures, budget, broken, missed, pass },
    ...{ network: network.kind, notes, troubled },
  };
}

function isTroubled(account: CallAccount): boolean {
  const lists = [account.callerWordsLost, account.callerWordsRepeated, account.agentWordsLost];
  const more = [account.agentWordsRepeated, account.toolsRunTwice];
  return !account.survived || account.turnsUnanswered > 0 || [...lists, ...more].some(({ length }) => length > 0);
}

function shuffled<T>(random: () => number, items: T[]): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
