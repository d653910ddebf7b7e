/** What happens to POPs, and to the callers that came in by them. */
import { NOTHING_LOST, type Scenario } from './scenario.ts';

const TWO_POPS = { cores: 1, pops: 2 } as const;

export const killPop: Scenario = {
  ...TWO_POPS,
  name: 'kill-pop',
  about: 'The POP of all calls is killed (SIGKILL); callers come back by another one.',
  // What a caller said in the moment of the kill is nowhere, and neither is the end of a word of the agent's.
  budget: (calls) => ({
    ...{ gapP99Ms: 3_000, callerWordsLost: calls, agentWordsLost: calls, agentWordsRepeated: calls, toolsRunTwice: 0 },
  }),
  async run({ pop, strike }) {
    strike();
    pop.process.signal('SIGKILL');
  },
};

export const drainPop: Scenario = {
  ...TWO_POPS,
  name: 'drain-pop',
  about: 'The POP of all calls is told to stop (SIGTERM); it sends its callers to another one.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: 1_000 }),
  async run({ pop, strike, wait, note, miss }) {
    strike();
    const beganMs = performance.now();
    pop.process.signal('SIGTERM');
    const code = await Promise.race([pop.process.exited, wait(40_000)]);
    if (code !== 0) miss(`the POP ended with ${code ?? 'nothing in 40 s'}`);
    note(`${pop.nodeId} had drained after ${Math.round(performance.now() - beganMs)} ms.`);
  },
};
