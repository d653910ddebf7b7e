/** What happens to cores: killed, stopped, gone and come back. */
import { NOTHING_LOST, type Scenario } from './scenario.ts';

const TWO_CORES = { cores: 2, pops: 1 } as const;

export const killCore: Scenario = {
  ...TWO_CORES,
  name: 'kill-core',
  about: 'The core of all calls is killed (SIGKILL); another one has room.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 1_500 }),
  async run({ core, strike }) {
    strike();
    core.process.signal('SIGKILL');
  },
};

export const sigstopCore: Scenario = {
  ...TWO_CORES,
  name: 'sigstop-core',
  about: 'The core stands still with all its processes, without a connection closing, and goes on after `--seconds`.',
  seconds: 5,
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 3_500 }),
  async run({ core, seconds, strike, wait }) {
    strike();
    await core.process.signalAll('SIGSTOP');
    await wait(seconds * 1_000);
    await core.process.signalAll('SIGCONT');
  },
};

export const staleCore: Scenario = {
  ...TWO_CORES,
  name: 'stale-core',
  about: 'The core stands still until others have its calls, and comes back in the middle of what they say.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 3_500 }),
  async run({ core, callers, strike, wait, note, random }) {
    strike();
    await core.process.signalAll('SIGSTOP');
    const untilMs = performance.now() + 10_000;
    while (callers.some(({ log }) => log.moves.length === 0) && performance.now() < untilMs) await wait(20);
    const moved = callers.filter(({ log }) => log.moves.length > 0).length;
    await wait(random() * 1_000);
    await core.process.signalAll('SIGCONT');
    note(`${moved} of ${callers.length} calls had moved when it came back.`);
  },
};

export const killWorker: Scenario = {
  ...{ cores: 1, pops: 1 },
  name: 'kill-worker',
  about: 'The media worker of the core is killed, and then the one of the POP.',
  budget: (calls) => ({ ...NOTHING_LOST, gapP99Ms: 2_000, callerWordsLost: calls, agentWordsLost: calls }),
  async run({ core, pop, strike, wait, note }) {
    for (const [index, node] of [core, pop].entries()) {
      const workers = await node.process.children('mediasoup-worker');
      note(`${workers.length} media worker of ${node.nodeId} was killed.`);
      if (index === 0) strike();
      for (const pid of workers) process.kill(pid, 'SIGKILL');
      await wait(6_000);
    }
  },
};
