/** What an operator reads of a zone, at 80 characters: the tables, and in words what is not well. */
import { describe, expect, test } from 'vitest';
import { clusterView } from '../../src/operate/cluster-view.ts';
import { statusLines } from '../../src/operate/status-text.ts';
import { MemoryRegistry, type NodePresence, type NodeRecord } from '../../src/registry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { agentNamed, coreRecord, popRecord } from '../support/nodes.ts';

const AT = new Date('2026-01-01T13:00:00.000Z');
const PLAIN = { width: 80, colors: false };

function presence(node: NodeRecord, leaseMs = 1_200): NodePresence {
  return { node: { version: '0.1.0', ...node }, leaseMs };
}

const pop = (nodeId: string, change: Partial<NodeRecord> = {}) => presence(popRecord({ nodeId, ...change }));
const core = (nodeId: string, change: Partial<NodeRecord> = {}) => presence(coreRecord({ nodeId, ...change }));

function viewOf(presences: NodePresence[], state = { connected: true, staleMs: 0 }) {
  const registry = { zone: 'eu', state, presences: async () => presences, nodes: async () => [] };
  return clusterView({ registry, at: AT, by: null });
}

async function troublesOf(...presences: NodePresence[]): Promise<string[]> {
  return (await viewOf(presences)).troubles.map(({ level, text }) => `${level}: ${text}`);
}

describe('the tables', () => {
  test('show POPs, then cores by region, and fit into 80 characters', async () => {
    const load = { sessions: 25, latenessP99Ms: 1.4, utilization: 0.5 };
    const view = await viewOf([
      core('iad-core-1', { region: 'us-east-1', draining: true }),
      core('fra-core-1', { region: 'eu-central-1', load, capacity: { sessions: 100, reserved: 10 } }),
      pop('fra-pop-1', { region: 'eu-central-1', load: { sessions: 40 }, capacity: { sessions: 40 } }),
    ]);
    const lines = statusLines(view, PLAIN);
    expect(lines.slice(0, 4)).toEqual([
      'zone eu, 3 nodes, 25 sessions at cores, as the registry tells it at 13:00:00',
      'warning: fra-pop-1 is full (40 of 40): new calls go elsewhere.',
      'note: iad-core-1 drains: 0 sessions are left.',
      '',
    ]);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(lines[4]).toBe('NODE        ROLE  REGION        SESSIONS    LATE   SEEN  STATE     VERSION');
    expect(lines.slice(5)).toEqual([
      'fra-pop-1   pop   eu-central-1     40/40       -  0.3 s  full      0.1.0',
      'fra-core-1  core  eu-central-1  25/90+10  1.4 ms  0.3 s  open      0.1.0',
      'iad-core-1  core  us-east-1        0/100       -  0.3 s  draining  0.1.0',
    ]);
  });

  test('cut long names where they must, and show everything where there is room', async () => {
    const nodeId = 'a-name-of-a-core-that-is-much-longer-than-a-line-can-take-1';
    const presences = [pop('pop-1'), core(nodeId, { region: 'ap-southeast-2' })];
    const narrow = statusLines(await viewOf(presences), PLAIN);
    expect(narrow.every((line) => line.length <= 80)).toBe(true);
    expect(narrow.at(-1)).toMatch(/^a-name-of-a-core\S*… {2}core {2}ap-southeast-2/);
    const wide = statusLines(await viewOf(presences), { width: null, colors: false });
    expect(wide.at(-1)).toContain(`${nodeId}  core`);
    expect(wide.at(-1)).toMatch(/echo, front-desk$/);
  });

  test('show the ways that POPs measured, and say which loses packets', async () => {
    const way = { region: 'us-east-1', p50Ms: 201.4, p95Ms: 240, jitterMs: 2.5, loss: 0.001, ageMs: 4_400 };
    const ways = [
      { ...way, core: 'core-1' },
      { ...way, core: 'core-2', jitterMs: null, loss: 0.034 },
    ];
    const view = await viewOf([pop('pop-1', { paths: { telling: 1, ways } }), core('core-1'), core('core-2')]);
    const lines = statusLines(view, PLAIN);
    expect(lines.slice(-3)).toEqual([
      'PATH FROM  TO       RTT P50       P95  JITTER   LOSS   MEASURED',
      'pop-1      core-1  201.4 ms  240.0 ms  2.5 ms  0.1 %  4.4 s ago',
      'pop-1      core-2  201.4 ms  240.0 ms       -  3.4 %  4.4 s ago',
    ]);
    expect(lines[1]).toBe('warning: The path from pop-1 to core-2 loses 3.4 % of the packets.');
  });

  test('are colored only where they may be', async () => {
    const view = await viewOf([pop('pop-1', { draining: true })]);
    expect(statusLines(view, { width: 80, colors: true }).join('\n')).toContain('\u001b[31m');
    expect(statusLines(view, PLAIN).join('\n')).not.toContain('\u001b');
  });
});

describe('what is not well', () => {
  test('is nothing where a POP and two cores are open', async () => {
    expect(await troublesOf(pop('pop-1'), core('core-1'), core('core-2'))).toEqual([]);
  });

  test('is a node that vanished: since when, with how many sessions, and what becomes of them', async () => {
    const load = { sessions: 12 };
    const found = await troublesOf(
      pop('pop-1'),
      core('core-1'),
      presence(coreRecord({ nodeId: 'core-2', load }), -30_000),
      presence(popRecord({ nodeId: 'pop-2', load: { sessions: 1 } }), -90_000),
      presence(coreRecord({ nodeId: 'core-3', draining: true, load: { sessions: 0 } }), -4_000),
    );
    expect(found).toEqual([
      'error: core-2 (core, local) vanished 30 s ago, with 12 sessions: other cores take its calls over.',
      'error: pop-2 (pop, local) vanished 90 s ago, with 1 session: its callers come back by other POPs or are lost.',
      'warning: core-3 (core, local) vanished 4.0 s ago as it drained, without sessions.',
    ]);
  });

  test('is a node that vanished no more once it is back', async () => {
    expect(await troublesOf(pop('pop-1'), core('core-1'), presence(coreRecord(), -1))).toEqual([]);
  });

  test('is a core without agents, and agents that one core has alone', async () => {
    const found = await troublesOf(
      pop('pop-1'),
      core('core-1', { agents: [agentNamed('echo'), agentNamed('shop')] }),
      core('core-2', { agents: [agentNamed('echo')] }),
      core('core-3', { agents: [] }),
    );
    expect(found).toEqual([
      'error: core-3 has no agents: it can take no call.',
      'warning: core-1 alone has shop: no other core could take those calls.',
    ]);
  });

  test('is a zone without a POP, without a core, or with full ones only', async () => {
    expect(await troublesOf()).toEqual([
      'error: There is no POP: nobody can call.',
      'error: There is no core: no call is answered.',
    ]);
    const full = { capacity: { sessions: 2 }, load: { sessions: 2 } };
    expect(await troublesOf(pop('pop-1', { draining: true }), core('core-1', full))).toEqual([
      'error: Every POP drains: nobody can call anew.',
      'error: Every core is full: new calls are refused.',
      'warning: core-1 is full (2 of 2): new calls go elsewhere.',
      'note: pop-1 drains: 0 sessions are left.',
    ]);
  });

  test('is a core that is late, a node that is overdue, and versions that differ', async () => {
    const found = await troublesOf(
      presence(popRecord(), 300),
      core('core-1', { load: { sessions: 1, latenessP99Ms: 31.2 } }),
      core('core-2', { version: '0.2.0' }),
    );
    expect(found).toEqual([
      'warning: pop-1 has not announced itself for 1.2 s.',
      'warning: core-1 is late: its 20 ms ticker by 31 ms at p99; voices may stutter.',
      'note: The nodes run different versions: 0.1.0, 0.2.0.',
    ]);
  });

  test('is a registry that is away: the last known nodes are shown as such', async () => {
    const registry = {
      ...{ zone: 'eu', state: { connected: false, staleMs: 42_000 } },
      presences: () => Promise.reject(new Error('away')),
      nodes: async () => [popRecord(), coreRecord()],
    };
    const view = await clusterView({ registry, at: AT, by: 'pop-1' });
    expect(view.nodes.map(({ nodeId, ageMs }) => [nodeId, ageMs])).toEqual([
      ['pop-1', 42_000],
      ['core-1', 42_000],
    ]);
    expect(view.troubles.map(({ text }) => text)).toEqual([
      'The registry has not answered for 42 s: these are the nodes that were last known. Running calls go on.',
    ]);
  });
});

test('a registry in memory tells who was lost, until it is told again', async () => {
  const clock = new FakeClock();
  const registry = new MemoryRegistry({ clock });
  await registry.announce(popRecord(), 60_000);
  await registry.announce(coreRecord(), 1_500);
  clock.advance(31_500);
  const lost = async () => (await clusterView({ registry, at: clock.date(), by: null })).lost;
  expect(await lost()).toMatchObject([{ nodeId: 'core-1', lostMs: 30_000 }]);
  await registry.announce(coreRecord(), 1_500);
  expect(await lost()).toEqual([]);
});
