import { describe, expect, test } from 'vitest';
import { PathBook } from '../../src/placement/paths.ts';
import { Plan } from '../../src/placement/plan.ts';
import type { PlanNode, PlanRequest } from '../../src/placement/plan-types.ts';
import { policySchema } from '../../src/placement/policy.ts';
import { Regions } from '../../src/placement/regions.ts';

const regions = Regions.load();

const node = (nodeId: string, change: Partial<PlanNode> = {}): PlanNode => ({
  nodeId,
  role: nodeId.startsWith('pop') ? 'pop' : 'core',
  region: 'us-east-1',
  sessions: 0,
  capacity: 10,
  draining: false,
  agents: ['desk'],
  ...change,
});

function plan(cores: readonly PlanNode[], policy: object = {}): Plan {
  const nodes = [node('pop-1', { capacity: 100 }), ...cores];
  return new Plan(
    { regions, paths: new PathBook({ regions }), nodes, endpoints: [] },
    policySchema.parse({ version: 1, ...policy }),
    0,
  );
}

const request = (change: Partial<PlanRequest> = {}): PlanRequest => ({
  agent: 'desk',
  legs: [],
  pins: [],
  caller: { country: null, place: null },
  pop: null,
  draw: 0.5,
  ...change,
});

const coreOf = (made: Plan, change: Partial<PlanRequest> = {}) => made.decide(request(change)).chosen?.coreNode ?? null;

describe('slots that a core keeps', () => {
  const keeping = plan([node('core-1', { sessions: 8, reserved: 2 })]);

  test('are for sessions of high priority, and for calls that another core lost', () => {
    expect(coreOf(keeping)).toBeNull();
    expect(coreOf(keeping, { priority: 'normal' })).toBeNull();
    expect(coreOf(keeping, { priority: 'high' })).toBe('core-1');
    expect(coreOf(keeping, { priority: 'take-over' })).toBe('core-1');
  });

  test('send sessions of normal priority to a busier core that keeps none', () => {
    const cores = [node('core-1', { sessions: 8, reserved: 2 }), node('core-2', { sessions: 9 })];
    expect(coreOf(plan(cores))).toBe('core-2');
    expect(coreOf(plan(cores), { priority: 'high' })).toBe('core-1');
  });

  test('count what was promised since', () => {
    const made = plan([node('core-1', { sessions: 7, reserved: 2 })]);
    const decided = (priority: 'normal' | 'high', promised: number) =>
      made.decideWith(request({ priority }), new Map([['core-1', promised]])).chosen;
    expect(decided('normal', 0)).not.toBeNull();
    expect(decided('normal', 1)).toBeNull();
    expect(decided('high', 2)).not.toBeNull();
    expect(decided('high', 3)).toBeNull();
  });
});

describe('a call whose core is lost', () => {
  test('goes to the least loaded core, full or not, but to none that is excluded or drains', () => {
    const full = [
      node('core-1', { sessions: 12 }),
      node('core-2', { sessions: 10 }),
      node('core-3', { sessions: 10, draining: true }),
    ];
    expect(coreOf(plan(full), { priority: 'high' })).toBeNull();
    expect(coreOf(plan(full), { priority: 'take-over' })).toBe('core-2');
    expect(coreOf(plan(full), { priority: 'take-over', excludedCores: ['core-2'] })).toBe('core-1');
    expect(coreOf(plan(full), { priority: 'take-over', excludedCores: ['core-1', 'core-2'] })).toBeNull();
  });

  test('uses the head-room that is kept for it', () => {
    const cores = [node('core-1', { sessions: 9 }), node('core-2', { sessions: 9 })];
    const policy = { cores: { headroom: 'n-1' } };
    expect(coreOf(plan(cores, policy))).toBeNull();
    expect(coreOf(plan(cores, policy), { priority: 'take-over' })).not.toBeNull();
  });
});
