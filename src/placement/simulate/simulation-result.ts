/** What a simulated day says: the figures behind the report, as JSON. */
import type { RuleName } from './rule.ts';
import type { Quantiles } from './tally.ts';

export interface CountryResult {
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  readonly name: string;
  readonly placed: number;
  readonly refused: number;
  readonly latencyMs: Quantiles;
  /** Where its sessions ran, most first. */
  readonly regions: readonly { readonly region: string; readonly sessions: number }[];
}

export interface RegionResult {
  readonly region: string;
  /** Sessions that its cores can hold. */
  readonly capacity: number;
  /** Most sessions at a time. */
  readonly peak: number;
  /** The same from the loss of a region on; null when none was lost. */
  readonly peakAfterLoss: number | null;
}

export interface RuleResult {
  readonly rule: RuleName;
  /** Placed and refused together are the sessions of the day. */
  readonly placed: number;
  readonly refused: number;
  /** Error code -> sessions. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly latencyMs: Quantiles;
  /** US cents; null when no price is known. */
  readonly centsPerMinute: number | null;
  readonly dollars: number | null;
  readonly byCountry: readonly CountryResult[];
  readonly byRegion: readonly RegionResult[];
  /** The day with the loss; sessions that ran when it came were moved or ended. */
  readonly afterLoss: {
    readonly placed: number;
    readonly refused: number;
    readonly moved: number;
    readonly ended: number;
    readonly latencyMs: Quantiles;
  } | null;
}

export interface PlaceResult {
  readonly region: string;
  readonly city: string;
  /** Degrees; null of a region that nobody knows. */
  readonly lat: number | null;
  readonly lon: number | null;
}

export interface SimulationResult {
  readonly version: 1;
  readonly world: string;
  readonly sessions: number;
  readonly seed: number;
  readonly meanMinutes: number;
  /** Minute of the day, UTC. */
  readonly lost: { readonly region: string; readonly minute: number } | null;
  /** Antipode first. */
  readonly rules: readonly RuleResult[];
  /** Sessions of Antipode by core region, over the day without a loss. */
  readonly samples: { readonly everyMinutes: number; readonly byRegion: Readonly<Record<string, readonly number[]>> };
  readonly places: readonly PlaceResult[];
  readonly pops: readonly PlaceResult[];
  readonly inference: readonly PlaceResult[];
  readonly cities: readonly {
    readonly name: string;
    readonly country: string;
    readonly lat: number;
    readonly lon: number;
  }[];
  readonly assumptions: readonly string[];
}
