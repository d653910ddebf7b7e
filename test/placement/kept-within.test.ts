import { describe, expect, test } from 'vitest';
import { PathBook } from '../../src/placement/paths.ts';
import { parsePin } from '../../src/placement/pin.ts';
import { Plan } from '../../src/placement/plan.ts';
import type { PlanNode, PlanRequest } from '../../src/placement/plan-types.ts';
import { policySchema } from '../../src/placement/policy.ts';
import { Regions } from '../../src/placement/regions.ts';
import { readWorldDocument, worldOf } from '../../src/placement/world-document.ts';

const regions = Regions.load();
const eu = [parsePin('eu', 'request')];

const node = (nodeId: string, change: Partial<PlanNode> = {}): PlanNode => ({
  ...{ nodeId, role: nodeId.startsWith('pop') ? 'pop' : 'core', region: 'eu-central-1', sessions: 0, capacity: 10 },
  ...{ draining: false, agents: ['desk'], ...change },
});

function decide(nodes: readonly PlanNode[], change: Partial<PlanRequest> = {}) {
  const plan = new Plan(
    { regions, paths: new PathBook({ regions }), nodes, endpoints: [] },
    policySchema.parse({ version: 1 }),
    0,
  );
  return plan.decide({
    ...{ agent: 'desk', legs: [], pins: eu, caller: { country: null, place: null }, pop: null, draw: 0 },
    ...change,
  });
}

describe('what a node writes down', () => {
  test.each([
    ['registry', 'core-1 keeps its registry in us-east-1, outside the pin "eu" (request): it is under the law of US'],
    ['logs', 'core-1 keeps its logs in us-east-1, outside the pin "eu" (request): it is under the law of US'],
    ['recordings', 'core-1 keeps its recordings in us-east-1, outside the pin "eu" (request)'],
    ['traces', 'core-1 keeps its traces in us-east-1, outside the pin "eu" (request)'],
  ])('outside the pin excludes a core, and the reason names the store: %s', (store, words) => {
    const { refused } = decide([node('pop-1'), node('core-1', { stores: { [store]: 'us-east-1' } })]);
    expect(refused!.code).toBe('ERR_PLACEMENT_RESIDENCY');
    expect(refused!.reasons.join()).toContain(words);
  });

  test('excludes a POP as it does a core, also the one that the caller has come in by', () => {
    const nodes = [node('pop-1', { stores: { logs: 'eu-west-2' } }), node('core-1')];
    const reasons = ['pop-1 keeps its logs in eu-west-2, outside the pin "eu" (request): it is under the law of GB'];
    const refused = { code: 'ERR_PLACEMENT_RESIDENCY', reasons };
    expect(decide(nodes).refused).toEqual(refused);
    const pop = { nodeId: 'pop-1', region: 'eu-central-1' };
    expect(decide(nodes, { pop }).refused).toEqual(refused);
    const both = [...nodes, node('pop-2')];
    expect(decide(both).chosen!.popNode).toBe('pop-2');
    expect(decide(both, { pop }).refused).toEqual(refused);
  });

  test('where nobody knows excludes the node, and says what to declare', () => {
    const { refused } = decide([node('pop-1'), node('core-1', { stores: { traces: null } })]);
    expect(refused!.reasons).toEqual([
      'core-1 keeps its traces where nobody knows, outside the pin "eu" (request): nobody knows whose law holds ' +
        'there; "residency.stores.traces" of its configuration says where',
    ]);
  });

  test('leaves the other nodes of its region to pinned sessions, and itself to those without a pin', () => {
    const nodes = [node('pop-1'), node('core-1', { stores: { logs: 'us-east-1' } }), node('core-2', { sessions: 5 })];
    expect(decide(nodes).chosen!.coreNode).toBe('core-2');
    expect(decide(nodes, { pins: [] }).chosen!.coreNode).toBe('core-1');
    const full = nodes.map((each) => (each.nodeId === 'core-2' ? { ...each, sessions: 10 } : each));
    expect(decide(full).refused).toMatchObject({ code: 'ERR_PLACEMENT_NO_CORE' });
  });

  test('is in its own region where nothing is declared, and within the pin where that is', () => {
    expect(decide([node('pop-1'), node('core-1')]).chosen!.coreNode).toBe('core-1');
    const stores = { registry: 'eu-west-1', logs: 'eu-north-1', recordings: 'eu-west-3', traces: 'eu-central-1' };
    expect(decide([node('pop-1', { stores }), node('core-1', { stores })]).chosen!.coreNode).toBe('core-1');
  });
});

describe('in a world file', () => {
  const world = (stores: string) =>
    readWorldDocument(
      `version: 1\nnodes: [{ nodeId: c, role: core, region: eu-west-1, capacity: 1, stores: ${stores} }]`,
    );

  test('the stores of a node are read, and those of unknown regions told', () => {
    const read = worldOf(world('{ logs: mars-1, traces: null }'), policySchema.parse({ version: 1 }));
    expect(read.world.nodes[0]!.stores).toEqual({ logs: 'mars-1', traces: null });
    expect(read.unknownRegions).toEqual(['mars-1']);
  });

  test('a store that is none is refused', () => {
    expect(() => world('{ log: eu-west-1 }')).toThrowError(/nodes\.0\.stores: .*log/);
  });
});
