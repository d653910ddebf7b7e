/**
 * How much longer a caller waits at the place that was chosen than at the best place in hindsight, in share of the best
 * place's voice-to-voice time: 20,000 calls in 100 worlds with random core regions, stacks of services and round trips.
 *
 * Budgeted is what placement is for: paths and callers' ways are hidden, known from noisy and partly missing
 * measurements, and replayed with each call's own weather. So, at the median, is the same with the services' times hidden too and
 * learnt as a running fleet learns them (`servicesLearnt...`): cores time what their calls use, and nobody times what none
 * has used. Beside these, without a budget: services' times from one noisy measurement each (`servicesHidden...`), from one
 * without an error (`servicesTimed...`), and what is left to somebody who knows all of the day but not the weather of the
 * call (`weatherOnly...`): no decision before the call can do better than that.
 */
import { type Hidden, measureRegret, type Regrets, type RuleName } from '../src/placement/simulate/index.ts';
import { VEIL } from '../src/placement/simulate/knowledge.ts';
import { LEARNING } from '../src/placement/simulate/learning.ts';
import { TRUTH_SPREADS } from '../src/placement/simulate/truth.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const CALLS_A_WORLD = 200;
const SEED = 1;

export async function run({ runs: worlds = 100, progress, signal }: BenchOptions) {
  const paths = measured('paths');
  const services = measured('services');
  const learnt = measured('learnt');
  const timed = measured('timed');
  const weather = measured('weather');
  return result(
    'regret',
    'How far is the chosen place from the best in hindsight, with noisy and missing measurements?',
    {
      calls: worlds * CALLS_A_WORLD,
      bestP50Ms: percentile([...paths.best], 50),
      medianPercent: of(paths, 'antipode', 50),
      p95Percent: of(paths, 'antipode', 95),
      p95Ms: percentile([...paths.ms.antipode], 95),
      ...beside(paths, 'nearest', 'nearest'),
      ...beside(paths, 'nearest-inference', 'nearestInference'),
      ...beside(paths, 'map-distance', 'mapDistance'),
      servicesHiddenMedianPercent: of(services, 'antipode', 50),
      servicesHiddenP95Percent: of(services, 'antipode', 95),
      ...beside(services, 'nearest', 'servicesHiddenNearest'),
      ...beside(services, 'nearest-inference', 'servicesHiddenNearestInference'),
      ...beside(services, 'map-distance', 'servicesHiddenMapDistance'),
      servicesLearntMedianPercent: of(learnt, 'antipode', 50),
      servicesLearntP95Percent: of(learnt, 'antipode', 95),
      servicesTimedMedianPercent: of(timed, 'antipode', 50),
      servicesTimedP95Percent: of(timed, 'antipode', 95),
      weatherOnlyMedianPercent: of(weather, 'antipode', 50),
      weatherOnlyP95Percent: of(weather, 'antipode', 95),
    },
    { medianPercent: 2, p95Percent: 10, servicesLearntMedianPercent: 2 },
    [
      `Hidden: paths off the matrix by ${TRUTH_SPREADS.path}, ways off the map by ${TRUTH_SPREADS.way}, each call’s weather; measured with ${VEIL.pathNoise} and ${VEIL.probeNoise} (sigma), ${VEIL.missingPaths} of the paths not at all, ${VEIL.unprobed} of the callers without probes.`,
      `servicesHidden: services off their published time by ${TRUTH_SPREADS.service}, by ${TRUTH_SPREADS.callService} more in a call; measured with ${VEIL.serviceNoise}, ${VEIL.missingServices} of them never. Its tail is theirs, not the paths’: see servicesTimed.`,
      `servicesLearnt: as hidden as that; known from ${LEARNING.warmUpCalls} earlier calls in each world, ${LEARNING.turns} turns each, one every ${LEARNING.betweenCallsMs / 1_000} s, and from those that count once they are over. Its p95 is about 10, above and below by the seed, so it has no budget: with every service timed without an error it is servicesTimed, and the weather alone costs weatherOnly. The rest is addresses that no call has used, which stay as published, and paths that are not known well where they are taken out of what was measured over them.`,
      'weatherOnly: all of the day is known, services too; what is left is the call’s own weather, which nobody knows before.',
    ],
  );

  function measured(hidden: Hidden): Regrets {
    return measureRegret({
      hidden,
      worlds,
      callsPerWorld: CALLS_A_WORLD,
      seed: SEED,
      signal,
      progress: (done) => {
        if (done % 10 === 0) progress(`${hidden} hidden: ${done} of ${worlds} worlds`);
      },
    });
  }
}

function of({ share }: Regrets, rule: RuleName, p: number): number | null {
  const value = percentile([...share[rule]], p);
  return value === null ? null : value * 100;
}

function beside(regrets: Regrets, rule: RuleName, name: string): Record<string, number | null> {
  return { [`${name}MedianPercent`]: of(regrets, rule, 50), [`${name}P95Percent`]: of(regrets, rule, 95) };
}
