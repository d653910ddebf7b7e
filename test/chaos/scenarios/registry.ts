/** What happens to the registry: gone, empty. Calls that run must not notice. */
import { NOTHING_LOST, type Scenario, UNNOTICED_MS } from './scenario.ts';

export const redisGone: Scenario = {
  ...{ name: 'redis-gone', cores: 1, pops: 1, seconds: 60 },
  about: 'Redis is killed for `--seconds`, and started empty.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: UNNOTICED_MS }),
  async run({ cluster, seconds, strike, wait }) {
    strike();
    await cluster.killRedis();
    await wait(seconds * 1_000);
    await cluster.startRedis();
  },
};

export const redisLostData: Scenario = {
  ...{ name: 'redis-lost-data', cores: 2, pops: 1 },
  about: 'Redis loses all that it holds (FLUSHALL); 5 s later the core of all calls is killed.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 1_500 }),
  async run({ cluster, core, strike, wait }) {
    strike();
    await cluster.flushRedis();
    await wait(5_000);
    core.process.signal('SIGKILL');
  },
};
