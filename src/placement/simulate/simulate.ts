/**
 * A planet simulated: puts the truth, what is known of it, the rules and the day together, and says what came of it.
 * Owns the figures of the report; not their looks (report/), nor files and arguments (command.ts).
 */
import { heldPins } from '../held-pins.ts';
import { PathBook } from '../paths.ts';
import type { Pin } from '../pin.ts';
import type { Policy } from '../policy.ts';
import type { Regions } from '../regions.ts';
import { declarePaths } from '../world-document.ts';
import { type Day, type Lane, simulateDay } from './day.ts';
import { Fleet } from './fleet.ts';
import { Knowledge, VEIL } from './knowledge.ts';
import { MapRule } from './map-rule.ts';
import { NormalField } from './noise.ts';
import { PlanRule } from './plan-rule.ts';
import { loadPopulation, type Population } from './population.ts';
import { RULES, type Rule } from './rule.ts';
import type { Scenario } from './scenario.ts';
import type { CountryResult, RegionResult, RuleResult, SimulationResult } from './simulation-result.ts';
import { TRUTH_SPREADS, Truth } from './truth.ts';

export interface SimulateOptions {
  scenario: Scenario;
  policy: Policy;
  sessions: number;
  seed: number;
  /** Mean length of a session, minutes. */
  meanMinutes: number;
  /** `busiest`: the one that holds most of our sessions then; null: none. */
  lost: { region: string | 'busiest'; minute: number | 'peak' } | null;
  population?: Population;
  signal: AbortSignal;
  progress?: (sessionsDone: number) => void;
}

/** Deterministic: the same options give the same result. */
export async function simulate(options: SimulateOptions): Promise<SimulationResult> {
  const { scenario, policy, seed, sessions, meanMinutes, lost, signal, progress } = options;
  const population = options.population ?? loadPopulation();
  const { regions, endpoints, legs, agent } = scenario;
  const { cities } = population;
  const fleet = new Fleet(scenario.nodes, agent);
  const places = placesOf(scenario);
  const published = () => publishedPaths(scenario, policy);
  const truth = new Truth({
    seed,
    regions,
    places,
    endpoints,
    cities,
    published,
    endpointing: policy.latency,
  });
  const pops = fleet.pops.map(({ region }) => region);
  const knowledge = new Knowledge({ seed, truth, regions, endpoints, cities, pops, published });
  const field = new NormalField(seed ^ 0x3c6ef372);
  const rules = RULES.map((name): Rule => {
    if (name !== 'antipode') return new MapRule({ name, fleet, knowledge, policy, regions, legs, cities });
    return new PlanRule({ knowledge, policy, regions, agent, legs, cities, drawOf: (call) => field.share(1, call) });
  });
  const pins = pinsByCountry(policy, scenario, population);
  const day = await simulateDay({
    fleet,
    truth,
    population,
    rules,
    pinsOf: (country) => pins[country]!,
    sessions,
    meanMinutes,
    seed,
    lost,
    signal,
    progress,
  });
  return {
    version: 1,
    world: scenario.name,
    sessions,
    seed,
    meanMinutes,
    lost: day.lost,
    rules: day.lanes.map((lane, index) => ruleResult(lane, day.lostLanes[index] ?? null, population)),
    samples: { everyMinutes: day.sampleMinutes, byRegion: samplesOf(day) },
    places: fleet.cores.map(({ region }) => placeOf(regions, region)),
    pops: fleet.pops.map(({ region }) => placeOf(regions, region)),
    inference: [...new Set(endpoints.map(({ place }) => place))]
      .filter((place) => place !== 'local')
      .map((place) => placeOf(regions, place)),
    cities: cities.map(({ name, country, lat, lon }) => ({ name, country: country.code, lat, lon })),
    assumptions: [...scenario.assumptions, ...assumptionsOf(population.countries.length, meanMinutes, policy)],
  };
}

/** The shipped matrix, what the operator declares, and what was measured where the world comes from. */
function publishedPaths({ regions, measured }: Scenario, policy: Policy): PathBook {
  const book = new PathBook({ regions });
  declarePaths(book, policy);
  for (const measurement of measured) book.measure({ ...measurement, atMs: 0 });
  return book;
}

/** Every region that the truth needs a path to. */
export function placesOf({ nodes, endpoints }: Pick<Scenario, 'nodes' | 'endpoints'>): string[] {
  const names = [...nodes.map(({ region }) => region), ...endpoints.map(({ place }) => place)];
  return [...new Set(names)].filter((name) => name !== 'local');
}

/** One array a country: plans look their tables up by it. */
function pinsByCountry(policy: Policy, { agent: name, legs, pin }: Scenario, { countries }: Population): Pin[][] {
  const agent = { name, legs, local: [], pin };
  return countries.map(({ code }) => heldPins({ policy, country: code, asked: [], agent }));
}

function ruleResult(lane: Lane, lostLane: Lane | null, { countries }: Population): RuleResult {
  const { tally, rule } = lane;
  const byCountry = countries.map((country, index): CountryResult => {
    const regions = lane.seats.fleet.cores.map((site, at) => ({
      region: site.region,
      sessions: tally.flows[index * tally.sites + at]!,
    }));
    return {
      country: country.code,
      name: country.name,
      placed: tally.placedOf[index]!,
      refused: tally.refusedOf[index]!,
      latencyMs: tally.quantiles(index),
      regions: regions.filter(({ sessions }) => sessions > 0).toSorted((a, b) => b.sessions - a.sessions),
    };
  });
  const lost = lostLane === null ? null : lostLane.tally;
  return {
    rule: rule.name,
    placed: tally.placed,
    refused: tally.refused,
    refusals: Object.fromEntries(tally.refusals),
    latencyMs: tally.quantiles(null),
    centsPerMinute: tally.pricedMinutes === 0 ? null : tally.cents / tally.pricedMinutes,
    dollars: tally.pricedMinutes === 0 ? null : tally.cents / 100,
    byCountry,
    byRegion: lane.seats.fleet.cores.map(
      (site, index): RegionResult => ({
        region: site.region,
        capacity: lane.seats.capacityAt(site),
        peak: tally.peaks[index]!,
        peakAfterLoss: lost === null ? null : lost.peaks[index]!,
      }),
    ),
    afterLoss:
      lost === null
        ? null
        : {
            placed: lost.placed,
            refused: lost.refused,
            moved: lost.moved,
            ended: lost.ended,
            latencyMs: lost.quantiles(null),
          },
  };
}

function samplesOf(day: Day): Record<string, number[]> {
  const lane = day.lanes[0]!;
  return Object.fromEntries(
    lane.seats.fleet.cores.map((site, index) => [site.region, lane.tally.samples.map((sample) => sample[index]!)]),
  );
}

function placeOf(regions: Regions, name: string) {
  const region = regions.get(name);
  return { region: name, city: region?.city ?? name, lat: region?.lat ?? null, lon: region?.lon ?? null };
}

function assumptionsOf(countries: number, meanMinutes: number, { latency }: Policy): string[] {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return [
    `Callers live in the cities that stand for ${countries} large countries, as many as people there use the Internet; they call ` +
      `by the hour of their own day. A session lasts ${meanMinutes} minutes in the mean.`,
    'Times are voice to voice of one turn of each call: caller to POP, POP to core, each leg’s round trips and service ' +
      `times, and ${latency.preparingMs} ms of endpointing and buffers before them, ${latency.endpointingMs} ms with them at ` +
      'the least. They are counted in bins of 2 ms.',
    `The truth is hidden from every rule: each path differs from the published one by about ${percent(TRUTH_SPREADS.path)}, ` +
      `each service by ${percent(TRUTH_SPREADS.service)}, each way of a city to a POP from the map by ${percent(TRUTH_SPREADS.way)} ` +
      '(sigma of a lognormal), and every call has its own weather besides.',
    `What is known was measured with an error of ${percent(VEIL.pathNoise)} (paths), ${percent(VEIL.serviceNoise)} (services) ` +
      `and ${percent(VEIL.probeNoise)} (a caller’s probes); ${percent(VEIL.missingPaths)} of the paths and ${percent(VEIL.missingServices)} of the services were never ` +
      `measured, ${percent(VEIL.unprobed)} of the callers could not probe. Nothing is learned during the day: a place that was measured wrong stays so, and calls that must leave it may fare better.`,
    'The other rules hold the same pins, move on to their next place when one is full, and reach the same endpoint of ' +
      'each leg from a core as Antipode would. A lost region loses its POPs and cores; the services there live on.',
    'The open Internet is taken to be as straight as the map’s model; what a backbone of one’s own saves in loss and ' +
      'jitter is not in these figures.',
    'Money is what the services and, where the policy says, the cores cost; traffic is not counted.',
  ];
}
