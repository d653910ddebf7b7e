/**
 * From the catalogue of AI services to placement's endpoints: where each address stands, what is promised of its data,
 * how long it takes and what a minute costs. Owns these steps and what they assume; reads no file and no variable: the
 * catalogue's entries and the addresses that are used come in as data.
 */
import { type AiEndpoint, ASSUMED_MS, type EndpointKind, placeOf, type ResidencyClass } from './endpoint.ts';
import type { Policy } from './policy.ts';

interface Percentiles {
  readonly p50: number;
  readonly p95?: number;
}

/** A service as the catalogue has it: its addresses, the first is the default, and what is known of its models. */
export interface CatalogueService {
  readonly id: string;
  readonly endpoints: readonly { readonly region: string; readonly residency: ResidencyClass }[];
  readonly models: readonly CatalogueModel[];
}

export interface CatalogueModel {
  readonly id: string;
  readonly ttftMs?: Percentiles;
  readonly finalMs?: Percentiles;
  readonly firstAudioMs?: Percentiles;
  readonly voiceToVoiceMs?: Percentiles;
  readonly price?: {
    readonly perMinute?: number;
    readonly perMillionCharacters?: number;
    readonly inputPerMillion?: number;
    readonly outputPerMillion?: number;
    readonly audioInputPerMillion?: number;
    readonly audioOutputPerMillion?: number;
  };
}

type ServiceKind = Exclude<EndpointKind, 'tool'>;

/** One address that is used, when not every address of the catalogue may be. */
export interface UsedAddress {
  readonly kind: ServiceKind;
  readonly service: string;
  /** The catalogue's name of its region; `own` for an address of one's own; `local` for a program on the core. */
  readonly region: string;
  /** The model; the first that has figures without it. */
  readonly model?: string;
  /** Only for `own`: it is an address of the core itself. */
  readonly onCore?: boolean;
}

/**
 * What a minute of a call is taken to be, for prices by the token and by the character: the agent speaks half of it at
 * 150 words a minute (6 characters or 4/3 tokens a word), the caller the other half; six turns, each sending the
 * conversation again, of 1,500 tokens with the instructions; audio is 10 tokens a second in and 20 out.
 */
export const MINUTE = {
  agentSpeaksShare: 0.5,
  wordsPerMinute: 150,
  charactersPerWord: 6,
  tokensPerWord: 4 / 3,
  turns: 6,
  inputTokensPerTurn: 1_500,
  audioInputTokensPerSecond: 10,
  audioOutputTokensPerSecond: 20,
} as const;

/** All addresses of the catalogue's services of a kind. */
export function catalogueEndpoints(
  kind: ServiceKind,
  services: readonly CatalogueService[],
  policy: Policy,
): AiEndpoint[] {
  return services.flatMap((service) =>
    service.endpoints.map(({ region }) => endpointOf({ kind, service: service.id, region }, service, policy)),
  );
}

/** The addresses that cores use; of a service that the catalogue has not, such as a program, nothing but its name. */
export function usedEndpoints(
  used: readonly UsedAddress[],
  find: (kind: ServiceKind, service: string) => CatalogueService | null,
  policy: Policy,
): AiEndpoint[] {
  return used.map((address) => endpointOf(address, find(address.kind, address.service), policy));
}

/** Servers behind agents' tools, by the operator's word: they are held to stand where the policy says. */
export function toolEndpoints(policy: Policy): AiEndpoint[] {
  return Object.entries(policy.endpoints.tools).map(([service, { region, p50Ms, p95Ms }]) => ({
    id: `${service}@${region}`,
    kind: 'tool',
    service,
    region,
    place: region,
    residency: 'pinned',
    p50: p50Ms,
    p95: p95Ms,
    source: 'operator',
    centsPerMinute: null,
  }));
}

/** Programs on the cores themselves, for legs that say so. */
export function localEndpoint(kind: EndpointKind, service: string): AiEndpoint {
  return {
    id: `${service}@local`,
    kind,
    service,
    region: 'local',
    place: 'local',
    residency: 'pinned',
    ...ASSUMED_MS[kind],
    source: 'assumed',
    centsPerMinute: 0,
  };
}

function endpointOf(address: UsedAddress, service: CatalogueService | null, policy: Policy): AiEndpoint {
  const { kind, region } = address;
  if (region === 'local' && service === null) return localEndpoint(kind, address.service);
  const id = `${address.service}@${region}`;
  const declared = policy.endpoints.places[id];
  const model = modelOf(kind, service, address.model);
  const latency = latencyOf(kind, model);
  return {
    id,
    kind,
    service: address.service,
    ...whereOf(address, service, declared),
    place: declared ?? (address.onCore === true ? 'local' : placeOf(id, region, {})),
    ...(latency ?? ASSUMED_MS[kind]),
    source: latency === null ? 'assumed' : 'catalogue',
    centsPerMinute: region === 'local' ? 0 : centsOf(model),
    ...(address.model !== undefined && { model: address.model }),
  };
}

/**
 * Whose promise holds: the vendor's for its own address. For an address of one's own nobody's, unless the policy says
 * where it stands: that is the operator's word.
 */
function whereOf(
  { region }: UsedAddress,
  service: CatalogueService | null,
  declared: string | undefined,
): { region: string; residency: ResidencyClass } {
  if (region === 'own') {
    return declared === undefined ? { region, residency: 'none' } : { region: declared, residency: 'pinned' };
  }
  const residency = service?.endpoints.find((each) => each.region === region)?.residency ?? 'none';
  return { region, residency };
}

function modelOf(kind: ServiceKind, service: CatalogueService | null, wanted: string | undefined) {
  const models = service?.models ?? [];
  if (wanted !== undefined) return models.find(({ id }) => id === wanted) ?? null;
  return models.find((model) => latencyOf(kind, model) !== null) ?? models[0] ?? null;
}

/**
 * Final words are published from the end of speech on, and asked for after so much silence (`stop_secs` of
 * pipecat-ai/stt-benchmark): the silence is the turn's, and in its endpointing already.
 */
const STT_ASKED_AFTER_MS = 200;

/** Time to first token, final words, first audio; a vendor that publishes the median only has the kind's spread. */
function latencyOf(kind: ServiceKind, model: CatalogueModel | null): { p50: number; p95: number } | null {
  const known = { stt: model?.finalMs, llm: model?.ttftMs, tts: model?.firstAudioMs, s2s: model?.voiceToVoiceMs }[kind];
  if (known === undefined) return null;
  const spread = ASSUMED_MS[kind].p95 / ASSUMED_MS[kind].p50;
  const waitedMs = kind === 'stt' ? STT_ASKED_AFTER_MS : 0;
  const own = (ms: number) => Math.max(0, ms - waitedMs);
  return { p50: own(known.p50), p95: own(known.p95 ?? known.p50 * spread) };
}

/** US cents of a minute of a call; null without a price. */
export function centsOf(model: CatalogueModel | null): number | null {
  const price = model?.price;
  if (price === undefined) return null;
  const spokenWords = MINUTE.agentSpeaksShare * MINUTE.wordsPerMinute;
  const seconds = 60;
  const dollars =
    (price.perMinute ?? 0) +
    ((price.perMillionCharacters ?? 0) * spokenWords * MINUTE.charactersPerWord) / 1e6 +
    ((price.inputPerMillion ?? 0) * MINUTE.turns * MINUTE.inputTokensPerTurn) / 1e6 +
    ((price.outputPerMillion ?? 0) * spokenWords * MINUTE.tokensPerWord) / 1e6 +
    ((price.audioInputPerMillion ?? 0) * seconds * MINUTE.audioInputTokensPerSecond) / 1e6 +
    ((price.audioOutputPerMillion ?? 0) * seconds * MINUTE.agentSpeaksShare * MINUTE.audioOutputTokensPerSecond) / 1e6;
  return dollars * 100;
}
