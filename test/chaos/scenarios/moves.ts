/** Living calls that go from one core to another: because one stops, and because somebody says so. */
import { API_KEY } from '../cluster/chaos-cluster.ts';
import { NOTHING_LOST, type Scenario } from './scenario.ts';

const GAP_MS = 200;
const EXIT_WITHIN_MS = 40_000;

export const drainCore: Scenario = {
  ...{ name: 'drain-core', cores: 2, pops: 1 },
  about: 'The core of all calls is told to stop (SIGTERM); its calls go to another one, and it exits.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: GAP_MS }),
  async run({ core, strike, wait, note, miss }) {
    strike();
    const beganMs = performance.now();
    core.process.signal('SIGTERM');
    const code = await Promise.race([core.process.exited, wait(EXIT_WITHIN_MS)]);
    if (code !== 0) miss(`the core ended with ${code ?? `nothing in ${EXIT_WITHIN_MS / 1_000} s`}`);
    note(`${core.nodeId} had drained after ${Math.round(performance.now() - beganMs)} ms.`);
  },
  check: async (_accounts, { callers, miss }) => {
    const stayed = callers.filter(({ log }) => log.moves.length === 0).length;
    if (stayed > 0) miss(`${stayed} calls did not move`);
  },
};

export const move: Scenario = {
  ...{ name: 'move', cores: 2, pops: 1 },
  about: 'Each call is moved to another core by order, one after the other.',
  budget: () => ({ ...NOTHING_LOST, gapP99Ms: GAP_MS }),
  async run({ callers, pop, spareCores, strike, random, wait, miss, note }) {
    strike();
    const gaps: number[] = [];
    const inTurn: boolean[] = [];
    const moves = callers.map(async ({ log }) => {
      await wait(random() * 4_000);
      const response = await fetch(`${pop.url}/v1/sessions/${log.sessionId}/move`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ core: spareCores[0]!.nodeId }),
      });
      if (response.status !== 202) {
        miss(`call ${log.call} was not moved: ${response.status} ${await response.text()}`);
        return;
      }
      const { gapMs, atTurnBoundary } = (await response.json()) as { gapMs: number; atTurnBoundary: boolean };
      gaps.push(gapMs);
      inTurn.push(!atTurnBoundary);
    });
    await Promise.all(moves);
    const cut = inTurn.filter((isCut) => isCut).length;
    note(`The POP says: gaps of up to ${Math.max(0, ...gaps)} ms, ${cut} of ${gaps.length} in the middle of a turn.`);
  },
};
