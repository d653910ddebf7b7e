/** When running sessions are placed again, and which of them move. */
import { afterEach, describe, expect, test } from 'vitest';
import { fixedPolicy, type PlaceAsk } from '../../src/placement/index.ts';
import { policySchema } from '../../src/placement/policy.ts';
import { SessionReplacement, type SessionReplacementOptions } from '../../src/signaling/session-replacement.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';

const opened: SessionReplacement[] = [];
afterEach(() => {
  for (const replacement of opened.splice(0)) replacement.close();
});

function replacing(move: object | null, sessions: { sessionId: string; hasSeat?: boolean }[]) {
  const clock = new FakeClock();
  const looked: string[] = [];
  const moved: string[] = [];
  let better: Awaited<ReturnType<SessionReplacementOptions['placement']['better']>> = {
    ...{ coreNode: 'core-2', coreRegion: 'us-east-1', hereMs: 900, thereMs: 500 },
  };
  const replacement = new SessionReplacement({
    book: {
      get running() {
        return sessions.map(({ sessionId, hasSeat = false }) => {
          return { sessionId, hasSeat, core: 'core-1', ask: { key: sessionId } as PlaceAsk };
        });
      },
      move: async (sessionId, { to = '', reason, cut }) => {
        moved.push(`${sessionId} to ${to} for ${reason}${cut ? ', cut' : ''}`);
        return { from: 'core-1', to, epoch: 2, gapMs: 1, atTurnBoundary: true };
      },
    },
    placement: {
      nodes: [coreRecord({ nodeId: 'core-1', region: 'ap-southeast-2' })],
      better: async ({ key, current }) => {
        looked.push(`${key} ${current.coreRegion} ${current.coreNode}`);
        return better;
      },
    },
    policy: fixedPolicy(policySchema.parse({ version: 1, cores: { move } }), clock),
    clock,
    log: silentLogger,
  });
  opened.push(replacement);
  return { clock, looked, moved, well: () => (better = null), pass: (ms: number) => clock.advanceAsync(ms, 1_000) };
}

describe('running sessions', () => {
  test('are not placed again unless the policy says so', async () => {
    const { looked, pass } = replacing(null, [{ sessionId: 's1' }]);
    await pass(300_000);
    expect(looked).toEqual([]);
  });

  test('are looked at once in half a minute each, and move between turns when they gain', async () => {
    const { looked, moved, pass } = replacing({ notWithinSeconds: 0 }, [{ sessionId: 's1' }, { sessionId: 's2' }]);
    await pass(30_000);
    expect(looked).toEqual([]);
    await pass(3_000);
    expect(looked).toEqual(['s1 ap-southeast-2 core-1', 's2 ap-southeast-2 core-1']);
    expect(moved).toEqual(['s1 to core-2 for placement', 's2 to core-2 for placement']);
    await pass(25_000);
    expect(looked.length).toBe(2);
  });

  test('stay where they are well, and where they share an agent', async () => {
    const { looked, moved, pass, well } = replacing({}, [{ sessionId: 's1' }, { sessionId: 'seat', hasSeat: true }]);
    well();
    await pass(200_000);
    expect(new Set(looked)).toEqual(new Set(['s1 ap-southeast-2 core-1']));
    expect(moved).toEqual([]);
  });

  test('stay for a while after they began or moved, and no more than some move in a minute', async () => {
    const sessions = ['s1', 's2', 's3'].map((sessionId) => ({ sessionId }));
    const { moved, pass } = replacing({ notWithinSeconds: 90, maxPerMinute: 2 }, sessions);
    await pass(89_000);
    expect(moved).toEqual([]);
    await pass(36_000);
    expect(moved.length).toBe(2);
    await pass(40_000);
    expect(moved.length).toBe(3);
    expect(new Set(moved.map((line) => line.slice(0, 2)))).toEqual(new Set(['s1', 's2', 's3']));
  });
});
