/**
 * The world that is simulated: nodes, endpoints and one agent's legs. Owns the world that stands when nobody brings
 * one; it is an assumption, and the report says so.
 */
import { AntipodeError } from '../../errors.ts';
import type { AiEndpoint, EndpointKind, ResidencyClass } from '../endpoint.ts';
import type { PathMeasurement } from '../paths.ts';
import type { Pin } from '../pin.ts';
import type { PlanLeg, PlanNode } from '../plan-types.ts';
import type { Policy } from '../policy.ts';
import { nearestWord, Regions } from '../regions.ts';
import { type WorldDocument, worldOf } from '../world-document.ts';

export interface Scenario {
  readonly name: string;
  readonly regions: Regions;
  readonly nodes: readonly PlanNode[];
  readonly endpoints: readonly AiEndpoint[];
  readonly agent: string;
  readonly legs: readonly PlanLeg[];
  /** The agent's own. */
  readonly pin: Pin | null;
  /** Paths that were measured there; they stand for what is published. */
  readonly measured: readonly PathMeasurement[];
  /** What it takes for granted, sentences for the report. */
  readonly assumptions: readonly string[];
}

/** Regions with cores: about where an operator of the whole world would rent them. */
const CORE_REGIONS = [
  'us-east-1',
  'us-west-2',
  'sa-east-1',
  'eu-central-1',
  'eu-west-2',
  'me-central-1',
  'af-south-1',
  'ap-south-1',
  'ap-southeast-1',
  'ap-northeast-1',
  'ap-southeast-2',
] as const;
const NODE_SESSIONS = 100;
/** Each core region could hold this share of the sessions that run when the world calls most. */
const REGION_SHARE = 0.4;
/** How far the day's peak lies above its mean, with these populations and hours. */
const PEAK_OVER_MEAN = 1.5;

export interface DefaultScenarioOptions {
  /** Sessions of the day: capacity grows with them. */
  sessions: number;
  meanMinutes: number;
  /** @defaultValue eleven regions around the world */
  coreRegions?: readonly string[];
}

/**
 * POPs in 33 regions, cores in eleven, models in a few: what the simulation runs when it is given no world.
 * @throws ERR_CONFIG_INVALID for a region that nobody knows
 */
export function defaultScenario(options: DefaultScenarioOptions): Scenario {
  const { sessions, meanMinutes, coreRegions = CORE_REGIONS } = options;
  const regions = Regions.load();
  const coreCodes = coreRegions.map((region) => regions.require(region, '--cores').code);
  const running = ((sessions * meanMinutes) / 1_440) * PEAK_OVER_MEAN;
  const nodesEach = Math.max(2, Math.ceil((running * REGION_SHARE) / NODE_SESSIONS));
  const pops = regions.all
    .filter((region) => region.matrixRow === region.code)
    .map((region) => node('pop', region.code, 1, Math.max(1_000, Math.ceil(running))));
  const cores = coreCodes.flatMap((region) =>
    Array.from({ length: nodesEach }, (_, index) => node('core', region, index + 1, NODE_SESSIONS)),
  );
  return {
    name: 'a planet of our own',
    regions,
    nodes: [...pops, ...cores],
    endpoints: [
      ...at(
        'stt',
        'hears',
        ['us', 'us-east-1'],
        ['eu', 'eu-central-1'],
        ['au', 'ap-southeast-2'],
        ['in', 'ap-south-1'],
      ),
      ...at('llm', 'thinks', ['us', 'us-east-1'], ['eu', 'eu-central-1']),
      ...at('llm', 'open-weights', ['in', 'ap-south-1'], ['sg', 'ap-southeast-1'], ['br', 'sa-east-1']),
      ...at(
        'tts',
        'speaks',
        ['us', 'us-east-1'],
        ['eu', 'eu-central-1'],
        ['jp', 'ap-northeast-1'],
        ['in', 'ap-south-1'],
      ),
    ],
    agent: 'desk',
    legs: [
      { kind: 'stt', services: ['hears'], k: 1 },
      { kind: 'llm', services: ['thinks', 'open-weights'], k: 2 },
      { kind: 'tts', services: ['speaks'], k: 1 },
    ],
    pin: null,
    measured: [],
    assumptions: [
      `POPs in ${pops.length} regions and cores in ${coreCodes.length}, ${nodesEach} nodes of ${NODE_SESSIONS} sessions in each core region: ` +
        `any of them could hold ${REGION_SHARE * 100} % of the sessions that run when the world calls most.`,
      'One agent: speech to text once a turn, a language model twice (a tool between), speech once. The models stand in a ' +
        'few regions: the fast one in Virginia and Frankfurt, open weights that are a fifth slower in Mumbai, Singapore and São Paulo.',
      'Prices and service times of the services are round figures of today, not any vendor’s offer.',
    ],
  };
}

export interface ScenarioOfOptions {
  document: WorldDocument;
  policy: Policy;
  /** For people, such as the file's name. */
  name: string;
  /** Null: the document's only agent. */
  agent: string | null;
}

/**
 * A world that somebody brings, empty of sessions: they come from the simulation.
 * @throws ERR_CONFIG_INVALID for a document that is wrong; ERR_AGENT_UNKNOWN for an agent that is not in it
 */
export function scenarioOf({ document, policy, name, agent }: ScenarioOfOptions): Scenario {
  const { world, agents, unknownRegions } = worldOf(document, policy);
  const names = [...agents.keys()];
  const asked = agent ?? (names.length === 1 ? names[0]! : null);
  const placed = asked === null ? undefined : agents.get(asked);
  if (asked === null || placed === undefined) {
    const near = asked === null ? null : nearestWord(asked, names);
    const hint = near === null ? '' : ` Did you mean "${near}"?`;
    const missing = asked === null ? 'Which agent? --agent is missing.' : `${name} has no agent "${asked}".${hint}`;
    throw new AntipodeError('ERR_AGENT_UNKNOWN', `${missing} It has: ${names.join(', ') || 'none'}.`, {
      path: 'agent',
    });
  }
  const unknown = `Nobody knows where ${unknownRegions.join(', ')} is: paths there count as 20,000 km.`;
  return {
    name,
    regions: world.regions,
    nodes: world.nodes.map((node) => ({ ...node, sessions: 0 })),
    endpoints: world.endpoints,
    agent: asked,
    legs: placed.legs,
    pin: placed.pin,
    measured: world.paths.measurements(0),
    assumptions: [
      `Nodes, endpoints and the agent "${asked}" are those of ${name}, without the sessions that ran there.`,
      ...(unknownRegions.length === 0 ? [] : [unknown]),
    ],
  };
}

/** p50 and p95 of one round trip, ms, and cents a minute. */
const SERVICES: Readonly<Record<string, { p50: number; p95: number; cents: number }>> = {
  hears: { p50: 250, p95: 320, cents: 0.5 },
  thinks: { p50: 350, p95: 800, cents: 1.2 },
  'open-weights': { p50: 420, p95: 900, cents: 0.6 },
  speaks: { p50: 180, p95: 320, cents: 1.5 },
};

function at(kind: EndpointKind, service: string, ...places: readonly (readonly [string, string])[]): AiEndpoint[] {
  const { p50, p95, cents } = SERVICES[service]!;
  const residency: ResidencyClass = 'pinned';
  return places.map(([region, place]) => ({
    id: `${service}@${region}`,
    kind,
    service,
    region,
    place,
    residency,
    p50,
    p95,
    source: 'assumed',
    centsPerMinute: cents,
  }));
}

function node(role: 'pop' | 'core', region: string, index: number, capacity: number): PlanNode {
  return {
    nodeId: `${role}-${region}-${index}`,
    role,
    region,
    sessions: 0,
    capacity,
    draining: false,
    agents: role === 'core' ? ['desk'] : [],
  };
}
