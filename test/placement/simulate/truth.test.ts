import { describe, expect, test } from 'vitest';
import { PathBook } from '../../../src/placement/paths.ts';
import { distanceKm } from '../../../src/placement/regions.ts';
import { Knowledge, NO_VEIL, VEIL } from '../../../src/placement/simulate/knowledge.ts';
import { loadPopulation } from '../../../src/placement/simulate/population.ts';
import { defaultScenario } from '../../../src/placement/simulate/scenario.ts';
import { placesOf } from '../../../src/placement/simulate/simulate.ts';
import { TRUTH_SPREADS, Truth } from '../../../src/placement/simulate/truth.ts';

const scenario = defaultScenario({ sessions: 1_000, meanMinutes: 4 });
const { regions, endpoints, legs } = scenario;
const { cities } = loadPopulation();
const places = placesOf(scenario);
const published = () => new PathBook({ regions });
const endpointing = { preparingMs: 500, endpointingMs: 500 };
const truth = new Truth({ seed: 2, regions, places, endpoints, cities, published, endpointing });
const pairs = places.flatMap((_, a) => places.slice(a).map((_, b): [number, number] => [a, a + b]));
const spread = (logarithms: readonly number[]) =>
  Math.sqrt(logarithms.reduce((sum, each) => sum + each * each, 0) / logarithms.length);

describe('the truth', () => {
  test('lies about as far from the matrix as it says, and is never faster than light', () => {
    const book = published();
    const away = pairs.map(([a, b]) => Math.log(truth.dayPathMs(a, b) / book.between(places[a]!, places[b]!, 0).p50));
    expect(spread(away)).toBeCloseTo(TRUTH_SPREADS.path, 1);
    for (const [a, b] of pairs) {
      const km = distanceKm(regions.get(places[a]!)!, regions.get(places[b]!)!);
      expect(truth.dayPathMs(a, b)).toBeGreaterThanOrEqual(km * 0.01);
    }
  });

  test('gives a call one weather: the same path there and back, another in another call', () => {
    expect(truth.pathMs(5, 1, 9)).toBe(truth.pathMs(5, 9, 1));
    expect(truth.pathMs(5, 1, 9)).not.toBe(truth.pathMs(6, 1, 9));
    expect(truth.callerMs(5, 3, 1)).toBe(truth.callerMs(5, 3, 1));
  });

  test('adds a turn up of its parts', () => {
    const endpoint = endpoints.find(({ id }) => id === 'thinks@us')!;
    const choice = { leg: legs[1]!, endpoint, path: published().between('us-east-1', 'us-east-1', 0), p50: 0 };
    const [pop, core] = [truth.indexOf('eu-west-2'), truth.indexOf('us-west-2')];
    const way = truth.callerMs(8, 0, pop) + truth.pathMs(8, pop, core) + 500;
    expect(truth.turnMs(8, 0, pop, core, [])).toBeCloseTo(way, 9);
    const paths = 2 * truth.pathMs(8, core, truth.indexOf('us-east-1'));
    const service = truth.turnMs(8, 0, pop, core, [choice]) - way - paths;
    // Two answers of about 350 ms, within what turns spread by.
    expect(service).toBeGreaterThan(200);
    expect(service).toBeLessThan(3_000);
  });
});

describe('what is known of it', () => {
  const knowledge = new Knowledge({ seed: 2, truth, regions, endpoints, cities, pops: places, published });

  test('is measured with the stated error, and in part not at all', () => {
    const known = pairs.map(([a, b]) => ({ a, b, ...knowledge.paths.between(places[a]!, places[b]!, 0) }));
    const measured = known.filter(({ source }) => source === 'measured');
    expect(1 - measured.length / known.length).toBeCloseTo(VEIL.missingPaths, 1);
    expect(spread(measured.map(({ a, b, p50 }) => Math.log(p50 / truth.dayPathMs(a, b))))).toBeCloseTo(
      VEIL.pathNoise,
      1,
    );
  });

  test('has probes of most callers, to the POPs that are nearest on the map', () => {
    const sydney = cities.findIndex(({ name }) => name === 'Sydney');
    const probes = Array.from({ length: 2_000 }, (_, call) => knowledge.probesOf(call, sydney));
    const unprobed = probes.filter((each) => each === undefined).length / probes.length;
    expect(unprobed).toBeCloseTo(VEIL.unprobed, 1);
    const names = new Set(probes.flatMap((each) => [...(each?.keys() ?? [])]));
    expect(names.size).toBe(VEIL.probes);
    expect(names).toContain('ap-southeast-2');
    expect(names).not.toContain('eu-west-2');
  });

  test('is everything of the day where there is no veil', () => {
    const all = new Knowledge({ seed: 2, truth, regions, endpoints, cities, pops: places, published, veil: NO_VEIL });
    for (const [index, { p50, source }] of all.endpoints.entries()) {
      expect(source).toBe('measured');
      expect(p50).toBeCloseTo(truth.dayServiceMs(index), 9);
    }
    expect(all.probesOf(4, 0)!.size).toBe(places.length);
    expect(all.probesOf(4, 0)!.get(places[3]!)).toBeCloseTo(truth.callerMs(4, 0, 3), 9);
  });
});
