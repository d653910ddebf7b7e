/** What happens to the network between the POP and the cores. */
import type { ChaosNode } from '../cluster/chaos-cluster.ts';
import { type Chaos, NOTHING_LOST, type Scenario } from './scenario.ts';

/** For the calls to have found another core, and to speak with it. */
const BETWEEN_MS = 4_000;

export const partition: Scenario = {
  ...{ name: 'partition', cores: 2, pops: 1, cuts: true, seconds: 8 },
  about: 'The POP and the core of all calls do not reach each other for `--seconds`; both reach all else.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 3_500 }),
  async run(chaos) {
    chaos.strike();
    await cutFor(chaos, [chaos.core], { up: true, down: true });
  },
};

export const oneWay: Scenario = {
  ...{ name: 'one-way', cores: 2, pops: 1, cuts: true, seconds: 6 },
  about: 'Only what the POP sends to the core is lost, for `--seconds`; then only what the next core sends to it.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 3_500 }),
  async run(chaos) {
    chaos.strike();
    await cutFor(chaos, [chaos.core], { up: true, down: false });
    await chaos.wait(BETWEEN_MS);
    await cutFor(chaos, chaos.spareCores, { up: false, down: true });
  },
};

/** @param ways up: from the POP to the cores */
async function cutFor(
  { cluster: { network }, pop, seconds, wait }: Chaos,
  cores: readonly ChaosNode[],
  ways: { up: boolean; down: boolean },
): Promise<void> {
  const cut = async (isCut: boolean) => {
    for (const core of cores) {
      if (ways.up) await network.cut(pop.host, core.host, isCut);
      if (ways.down) await network.cut(core.host, pop.host, isCut);
    }
  };
  await cut(true);
  await wait(seconds * 1_000);
  await cut(false);
}
