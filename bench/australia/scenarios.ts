/**
 * What is measured, and what placement predicts of it: a caller in Sydney, a core in Sydney and one in Virginia, models
 * that stand there, k round trips to the language model. Owns the world that placement is given, whose figures the
 * benchmark's network and services are made of; runs nothing.
 */
import {
  DEFAULT_POLICY,
  Plan,
  type PlanCandidate,
  type PlanLeg,
  worldDocumentSchema,
  worldOf,
} from '../../src/placement/index.ts';
import { latenciesOf } from '../service-fakes/stacks.ts';

export const SYDNEY = 'ap-southeast-2';
export const VIRGINIA = 'us-east-1';
export const CORES = [SYDNEY, VIRGINIA] as const;
export type Place = (typeof CORES)[number];
export const ROUNDS = [1, 2, 4] as const;

/** Fixed service times, ms: the published medians of voice-to-voice's fast stack. */
const { stt, llm, tts, sources } = latenciesOf('fast');
export const SERVICE_MS = { stt: stt.p50Ms, llm: llm.p50Ms, tts: tts.p50Ms } as const;
export const SERVICE_SOURCES = sources;
/** What the slower open weights in Sydney take longer to a first token, ms. */
export const SLOWER_MS = 130;

export interface Scenario {
  readonly key: 'usOnly' | 'local' | 'slowLocal';
  readonly title: string;
  /** To a first token of the models in Sydney, ms; null: there are none. */
  readonly localLlmMs: number | null;
}

export const SCENARIOS: readonly Scenario[] = [
  { key: 'usOnly', title: 'models in Virginia only', localLlmMs: null },
  { key: 'local', title: 'open weights in Sydney too, as fast', localLlmMs: SERVICE_MS.llm },
  {
    key: 'slowLocal',
    title: `open weights in Sydney too, ${SLOWER_MS} ms slower to a first token`,
    localLlmMs: SERVICE_MS.llm + SLOWER_MS,
  },
];

/** Placement's word on one scenario and one k. */
export interface Prediction {
  readonly k: number;
  readonly candidates: ReadonlyMap<Place, PlanCandidate>;
  /** Where the policy would run it. */
  readonly chosen: Place;
}

/** Round trips of the network, ms, from where placement has them. */
export interface Network {
  between(from: Place, to: Place): number;
}

const VENDOR = 'vendor';
const OPEN_WEIGHTS = 'open-weights';

export function predict(scenario: Scenario): { predictions: readonly Prediction[]; network: Network } {
  const { world } = worldOf(documentOf(scenario), DEFAULT_POLICY);
  const plan = new Plan(world, DEFAULT_POLICY, 0);
  const predictions = ROUNDS.map((k): Prediction => {
    const services = [VENDOR, OPEN_WEIGHTS];
    const legs: PlanLeg[] = [
      { kind: 'stt', services, k: 1 },
      { kind: 'llm', services, k },
      { kind: 'tts', services, k: 1 },
    ];
    const caller = { country: 'AU', place: world.regions.get(SYDNEY) };
    const request = { agent: 'looker', legs, pins: [], caller, pop: null, draw: 0.5 };
    const { chosen } = plan.decide(request);
    if (chosen === null) throw new Error('placement refuses the very world that it was made for');
    const candidates = plan.explain(request).map((each): [Place, PlanCandidate] => [each.coreRegion as Place, each]);
    return { k, candidates: new Map(candidates), chosen: chosen.coreRegion as Place };
  });
  return { predictions, network: { between: (from, to) => world.paths.between(from, to, 0).p50 } };
}

/** Where a core's calls go: to the services that placement chose for it, the same for every k. */
export function servicesOf(
  predictions: readonly Prediction[],
  core: Place,
): Readonly<Record<'stt' | 'llm' | 'tts', Place>> {
  const places = predictions.map(({ candidates }) =>
    candidates.get(core)?.endpoints.map(({ leg, endpoint }) => [leg.kind, endpoint.place]),
  );
  const [first, ...others] = places.map((each) => JSON.stringify(Object.fromEntries(each ?? [])));
  if (first === undefined || others.some((each) => each !== first)) {
    throw new Error(`the services of ${core} depend on k: this benchmark's network does not`);
  }
  return JSON.parse(first);
}

function documentOf({ localLlmMs }: Scenario) {
  const node = { capacity: 100 };
  const at = (service: string, place: Place, kind: 'stt' | 'llm' | 'tts', ms: number) => ({
    ...{ kind, service, region: place },
    ...{ p50Ms: ms, p95Ms: ms, source: 'measured' },
  });
  const all = (service: string, place: Place, llmMs: number) => [
    at(service, place, 'stt', SERVICE_MS.stt),
    at(service, place, 'llm', llmMs),
    at(service, place, 'tts', SERVICE_MS.tts),
  ];
  return worldDocumentSchema.parse({
    version: 1,
    nodes: [
      { nodeId: 'pop-sydney', role: 'pop', region: SYDNEY, ...node },
      ...CORES.map((region) => ({ nodeId: `core-${region}`, role: 'core', region, agents: ['looker'], ...node })),
    ],
    agents: { looker: {} },
    endpoints: [
      ...all(VENDOR, VIRGINIA, SERVICE_MS.llm),
      ...(localLlmMs === null ? [] : all(OPEN_WEIGHTS, SYDNEY, localLlmMs)),
    ],
  });
}
