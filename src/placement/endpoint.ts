/**
 * AI endpoints as placement sees them: a service's address, the region it stands in, what is promised of its data, and
 * how long it takes. Owns the step from the catalogue; calls nobody.
 */

export type EndpointKind = 'stt' | 'llm' | 'tts' | 's2s' | 'tool';
export type ResidencyClass = 'pinned' | 'best-effort' | 'none';

export interface AiEndpoint {
  /** `service@region`, such as `openai@eu`. */
  readonly id: string;
  readonly kind: EndpointKind;
  readonly service: string;
  /** The catalogue's name of its region, such as `eu` or `global`. */
  readonly region: string;
  /** The region that its paths are counted from; `local`: the core's own. */
  readonly place: string;
  readonly residency: ResidencyClass;
  /** Service time of one round trip, ms, without the path. */
  readonly p50: number;
  readonly p95: number;
  /** Where that comes from. */
  readonly source: 'measured' | 'operator' | 'catalogue' | 'assumed';
  /** What a minute of a call costs there, US cents; null when unknown. */
  readonly centsPerMinute: number | null;
  /** The model that it is asked for; measurements of another are not of this endpoint. Absent: any. */
  readonly model?: string;
  /** What cores measured of it; absent when none did. */
  readonly measured?: EndpointMeasurement;
}

/** Measured requests to an endpoint. */
export interface EndpointMeasurement {
  /** Requests of all cores; older ones count less. */
  readonly count: number;
  /** Since the newest of them. */
  readonly ageMs: number;
  /** Share that they have in `p50` and `p95`, 0..1; the rest is what was known before. */
  readonly confidence: number;
  /** What was known before. */
  readonly before: Pick<AiEndpoint, 'p50' | 'p95' | 'source'>;
  readonly from: readonly SeenFrom[];
}

/** One round trip to an endpoint as cores of a region see it, with the path there and back. */
export interface SeenFrom {
  /** Region of the cores. */
  readonly core: string;
  readonly p50: number;
  readonly p95: number;
  readonly count: number;
  readonly ageMs: number;
}

/** Where the catalogue's regions are taken to stand, when the policy does not say better. */
const PLACES: Readonly<Record<string, string>> = {
  // An address without a region is answered from somewhere near; of the vendors' own machines most stand there.
  global: 'us-east-1',
  us: 'us-east-1',
  eu: 'eu-central-1',
  uk: 'eu-west-2',
  gb: 'eu-west-2',
  au: 'ap-southeast-2',
  in: 'ap-south-1',
  jp: 'ap-northeast-1',
  kr: 'ap-northeast-2',
  sg: 'ap-southeast-1',
  ae: 'me-central-1',
  sa: 'me-central-1',
  ca: 'ca-central-1',
  br: 'sa-east-1',
};

/** Service times of a kind that nobody has published or measured, ms. */
export const ASSUMED_MS: Readonly<Record<EndpointKind, { p50: number; p95: number }>> = {
  stt: { p50: 250, p95: 400 },
  llm: { p50: 500, p95: 1_200 },
  tts: { p50: 200, p95: 400 },
  s2s: { p50: 700, p95: 1_500 },
  tool: { p50: 50, p95: 200 },
};

/** The region that an address of the catalogue is taken to stand in. */
export function placeOf(id: string, region: string, places: Readonly<Record<string, string>>): string {
  return places[id] ?? (region === 'local' ? 'local' : (PLACES[region] ?? region));
}
