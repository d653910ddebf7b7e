/** What happens to the machines under the nodes: their clocks, their disks, more callers than they can take. */
import { join } from 'node:path';
import { AGENT, API_KEY } from '../cluster/chaos-cluster.ts';
import { NOTHING_LOST, type Scenario, UNNOTICED_MS } from './scenario.ts';

const CLOCK_JUMP = join(import.meta.dirname, '../cluster/clock-jump.mjs');

export const clockJump: Scenario = {
  ...{ name: 'clock-jump', cores: 2, pops: 1 },
  about:
    'The wall clock of the core goes an hour forward, the POP’s as well 3 s later, the core’s back; then it is killed.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 1_500 }),
  settings: () => ({ environment: { NODE_OPTIONS: `--import=${CLOCK_JUMP}` } }),
  async run({ core, pop, strike, wait, note }) {
    strike();
    for (const { process } of [core, pop, core]) {
      process.signal('SIGUSR2');
      await wait(3_000);
    }
    core.process.signal('SIGKILL');
    note('It is the clock of the Node processes: monotonic time, media workers and Redis keep theirs.');
  },
};

export const diskFull: Scenario = {
  ...{ name: 'disk-full', cores: 2, pops: 1 },
  about: 'The disk with the state and the logs of all nodes is full; 5 s later the core of all calls is killed.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 1_500 }),
  settings: () => ({ logsToDisk: true }),
  missing: (network) =>
    network === 'namespaces' ? null : 'disk-full needs a mount of its own: run it as root on Linux.',
  async run({ cluster, core, strike, wait, note }) {
    strike();
    note(`${await cluster.fillDisk()} KiB were left on the disk, and were written full.`);
    await wait(5_000);
    core.process.signal('SIGKILL');
  },
};

export const overload: Scenario = {
  ...{ name: 'overload', cores: 1, pops: 1, seconds: 10 },
  about:
    'Four times as many callers ask for the slots of a core that is full, for `--seconds`; calls that run do not notice.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: UNNOTICED_MS }),
  settings: (role, calls) => (role === 'core' ? { config: { core: { capacity: calls } } } : {}),
  async run({ callers, pop, seconds, strike, wait, note, miss, random }) {
    strike();
    const tookMs: number[] = [];
    const others: string[] = [];
    const asking = Array.from({ length: 4 * callers.length }, async () => {
      await wait(random() * seconds * 1_000);
      const askedMs = performance.now();
      const response = await fetch(`${pop.url}/v1/sessions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ agent: AGENT, metadata: { call: 0 } }),
      });
      await response.text();
      if (response.status === 503) tookMs.push(performance.now() - askedMs);
      else others.push(String(response.status));
    });
    await Promise.all(asking);
    note(`${tookMs.length} were refused, in ${Math.round(Math.max(0, ...tookMs))} ms at most.`);
    if (others.length > 0) miss(`${others.length} of those who came too late were answered with ${others[0]}`);
  },
};
