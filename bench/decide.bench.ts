/**
 * How fast placement decides in a large world: 33 POP regions and 33 core regions, 5,000 nodes, 60 endpoints. One
 * `Plan` decides, as it does between two compilations.
 *
 * Precomputed when a plan is compiled (once a second at most, where something changed): the nodes of each region by
 * load, the path of each POP region to each core region, and, when an agent's legs come under some pins for the first
 * time, the best endpoint of each leg from each core region and which regions the pins leave. Not precomputed: the
 * caller's way to each POP, whether the caller's country, canary shares and excluded cores leave a region in, the score
 * of each of the 1,089 pairs, and the nodes.
 */
import type { AiEndpoint, EndpointKind } from '../src/placement/endpoint.ts';
import { PathBook } from '../src/placement/paths.ts';
import { parsePin } from '../src/placement/pin.ts';
import { Plan } from '../src/placement/plan.ts';
import type { PlanLeg, PlanNode, PlanRequest } from '../src/placement/plan-types.ts';
import { DEFAULT_POLICY } from '../src/placement/policy.ts';
import { Regions } from '../src/placement/regions.ts';
import { RandomStream } from '../src/placement/simulate/noise.ts';
import { loadPopulation } from '../src/placement/simulate/population.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const NODES = 5_000;
const SERVICES_A_KIND = 5;
const ADDRESSES = 4;
const WARM_UP = 20_000;
const DECISIONS = 100_000;
const COMPILATIONS = 20;

export async function run({ runs = 3, progress, signal }: BenchOptions) {
  const random = new RandomStream(1);
  const regions = Regions.load();
  const names = regions.all.filter((region) => region.matrixRow === region.code).map(({ code }) => code);
  const nodes = nodesIn(names, random);
  const endpoints = endpointsIn(names, random);
  const world = { regions, paths: new PathBook({ regions }), nodes, endpoints };
  const requests = requestsOf(random);

  progress('compiling');
  const compiled: number[] = [];
  let plan = new Plan(world, DEFAULT_POLICY, 0);
  for (let index = 0; index < COMPILATIONS; index++) {
    const startedMs = performance.now();
    plan = new Plan(world, DEFAULT_POLICY, 0);
    plan.decide(requests[0]!);
    compiled.push(performance.now() - startedMs);
  }

  const promised = new Map<string, number>();
  for (let index = 0; index < WARM_UP; index++) plan.decideWith(requests[index % requests.length]!, promised);

  const took = new Array<number>(DECISIONS * runs);
  const rates: number[] = [];
  let refused = 0;
  for (let each = 0; each < runs; each++) {
    signal.throwIfAborted();
    progress(`run ${each + 1} of ${runs}`);
    promised.clear();
    const cpu = process.cpuUsage();
    for (let index = 0; index < DECISIONS; index++) {
      const startedMs = performance.now();
      const { chosen } = plan.decideWith(requests[index % requests.length]!, promised);
      took[each * DECISIONS + index] = performance.now() - startedMs;
      if (chosen === null) refused += 1;
      // A second's worth of promises, as between two compilations.
      else if (index % 20_000 === 0) promised.clear();
      else promised.set(chosen.coreNode, (promised.get(chosen.coreNode) ?? 0) + 1);
    }
    const { user, system } = process.cpuUsage(cpu);
    rates.push(DECISIONS / ((user + system) / 1e6));
  }
  return result(
    'decide',
    'How long does a decision take with 33 regions, 5,000 nodes and 60 endpoints?',
    {
      pops: nodes.filter(({ role }) => role === 'pop').length,
      cores: nodes.filter(({ role }) => role === 'core').length,
      endpoints: endpoints.length,
      decisions: took.length,
      refused,
      p50Ms: percentile(took, 50),
      p99Ms: percentile(took, 99),
      maxMs: percentile(took, 100),
      decisionsPerSecondPerCore: percentile(rates, 50),
      compileP50Ms: percentile(compiled, 50),
      compileMaxMs: percentile(compiled, 100),
    },
    { p99Ms: 1, decisionsPerSecondPerCore: 20_000 },
    [
      'Precomputed once a plan: nodes by load, POP-core paths, the best endpoints of each agent and pin from each core.',
      'Per decision: the caller’s way to 33 POPs, every rule, the score of 1,089 pairs, the nodes. Rates count CPU time.',
      'compile: a plan from the world and its first decision; at most once a second, in no caller’s way.',
    ],
  );
}

function nodesIn(names: readonly string[], random: RandomStream): PlanNode[] {
  return Array.from({ length: NODES }, (_, index): PlanNode => {
    const role = index % 5 === 0 ? 'pop' : 'core';
    const capacity = role === 'pop' ? 2_000 : 100;
    const sessions = random.below(capacity);
    const region = names[Math.floor(index / 5) % names.length]!;
    const agents = role === 'pop' ? [] : ['desk', 'shop'];
    return { nodeId: `${role}-${index}`, role, region, sessions, capacity, draining: index % 97 === 0, agents };
  });
}

/** Three kinds by five services at four addresses: sixty. */
function endpointsIn(names: readonly string[], random: RandomStream): AiEndpoint[] {
  return (['stt', 'llm', 'tts'] as const satisfies EndpointKind[]).flatMap((kind) =>
    Array.from({ length: SERVICES_A_KIND * ADDRESSES }, (_, index): AiEndpoint => {
      const place = names[random.below(names.length)]!;
      const service = `${kind}-${index % SERVICES_A_KIND}`;
      const p50 = 150 + random.below(400);
      const id = `${service}@${place}-${index}`;
      const times = { p50, p95: p50 * 1.6, source: 'catalogue', centsPerMinute: 1 } as const;
      return { id, kind, service, region: place, place, residency: 'pinned', ...times };
    }),
  );
}

/** Callers of all large countries; two agents, a third of the calls pinned, half of them with probes. */
function requestsOf(random: RandomStream): PlanRequest[] {
  const agents: Record<string, PlanLeg[]> = { desk: legs(2), shop: legs(4) };
  const pins = [[], [], [parsePin('eu', 'request')]];
  return loadPopulation().cities.flatMap(({ country, lat, lon }) =>
    Array.from({ length: 12 }, (_, index): PlanRequest => {
      const agent = index % 2 === 0 ? 'desk' : 'shop';
      const probes = index % 4 < 2 ? undefined : new Map([['eu-central-1', 40 + random.below(200)]]);
      const caller = { country: country.code, place: { lat, lon }, probes };
      return { agent, legs: agents[agent]!, pins: pins[index % 3]!, caller, pop: null, draw: random.next() };
    }),
  );
}

function legs(k: number): PlanLeg[] {
  const services = (kind: string) => Array.from({ length: SERVICES_A_KIND }, (_, index) => `${kind}-${index}`);
  return [
    { kind: 'stt', services: services('stt'), k: 1 },
    { kind: 'llm', services: services('llm'), k },
    { kind: 'tts', services: services('tts'), k: 1 },
  ];
}
