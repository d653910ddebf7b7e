import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { decide, type PlacementRequest, regionWithin, type World } from '../../src/placement/index.ts';
import { agentNamed, coreRecord, popRecord } from '../support/nodes.ts';

const request: PlacementRequest = { agent: 'echo', residency: null, pop: { nodeId: 'pop-1', region: 'local' } };

function world(nodes: World['nodes'], promised: [string, number][] = []): World {
  return { nodes, promised: new Map(promised) };
}

function refusalOf(work: () => unknown): AntipodeError {
  try {
    work();
  } catch (error) {
    if (error instanceof AntipodeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('decide()', () => {
  it('chooses the one core that is there and says why', () => {
    const decision = decide(world([popRecord(), coreRecord()]), request);
    expect(decision.core).toEqual({ nodeId: 'core-1', region: 'local', host: '127.0.0.1', port: 7_001 });
    expect(decision.reason).toBe('core-1 in local is the only core that can take echo.');
    expect(decision.candidates).toEqual([
      { nodeId: 'core-1', region: 'local', sessions: 0, capacity: 100, excluded: null },
    ]);
  });

  it('never takes a POP for a core', () => {
    expect(refusalOf(() => decide(world([popRecord({ agents: [agentNamed('echo')] })]), request)).code).toBe(
      'ERR_PLACEMENT_NO_CORE',
    );
  });

  it('prefers the own region, then the least loaded by share, then the lower id', () => {
    const far = coreRecord({ nodeId: 'far', region: 'mars', load: { sessions: 0 } });
    const busy = coreRecord({ nodeId: 'busy', load: { sessions: 50 } });
    const calm = coreRecord({ nodeId: 'calm', capacity: { sessions: 1_000 }, load: { sessions: 60 } });
    const twin = coreRecord({ nodeId: 'a-twin', capacity: { sessions: 1_000 }, load: { sessions: 60 } });
    const decision = decide(world([far, busy, calm, twin]), request);
    expect(decision.candidates.map((candidate) => candidate.nodeId)).toEqual(['a-twin', 'calm', 'busy', 'far']);
    expect(decision.reason).toContain('of 4 cores');
  });

  it('gives the same answer whatever the order of the nodes', () => {
    const nodes = ['c', 'a', 'b'].map((nodeId) => coreRecord({ nodeId }));
    expect(decide(world(nodes), request)).toEqual(decide(world(nodes.toReversed()), request));
  });

  it('counts sessions that were promised and that the core does not report yet', () => {
    const core = coreRecord({ capacity: { sessions: 2 }, load: { sessions: 0 } });
    expect(decide(world([core], [['core-1', 1]]), request).candidates[0]?.sessions).toBe(1);
    const error = refusalOf(() => decide(world([core], [['core-1', 2]]), request));
    expect(error.code).toBe('ERR_PLACEMENT_NO_CORE');
    expect(error.message).toContain('core-1 is full (2 of 2 sessions)');
  });

  it('explains each exclusion, and puts the excluded last', () => {
    const nodes = [
      coreRecord({ nodeId: 'draining', draining: true }),
      coreRecord({ nodeId: 'mute', control: null }),
      coreRecord({ nodeId: 'dead' }),
      coreRecord({ nodeId: 'other', agents: [agentNamed('judge')] }),
      coreRecord({ nodeId: 'good' }),
    ];
    const decision = decide(world(nodes), { ...request, excludedCores: ['dead'] });
    expect(decision.candidates[0]?.nodeId).toBe('good');
    const reasons = Object.fromEntries(decision.candidates.map(({ nodeId, excluded }) => [nodeId, excluded?.code]));
    expect(reasons).toEqual({
      good: undefined,
      dead: 'excluded',
      draining: 'draining',
      mute: 'unreachable',
      other: 'agent',
    });
  });

  it('refuses with each core named when none is left', () => {
    const error = refusalOf(() =>
      decide(world([coreRecord({ nodeId: 'x', draining: true }), coreRecord({ nodeId: 'y', control: null })]), request),
    );
    expect(error.code).toBe('ERR_PLACEMENT_NO_CORE');
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('x is draining');
    expect(error.message).toContain('y announces no control address');
  });

  it('says that no core is alive when there is none', () => {
    expect(refusalOf(() => decide(world([]), request)).message).toBe('No core is alive.');
  });

  it('names the known agents when none is called so', () => {
    const error = refusalOf(() => decide(world([coreRecord()]), { ...request, agent: 'ehco' }));
    expect(error.code).toBe('ERR_AGENT_UNKNOWN');
    expect(error.message).toContain('Known: echo, front-desk.');
  });

  it('keeps a pinned session within its region, core and POP alike', () => {
    const nodes = [
      coreRecord({ nodeId: 'us', region: 'us-east-1' }),
      coreRecord({ nodeId: 'eu', region: 'eu-west-1' }),
    ];
    const pinned = { ...request, residency: 'eu', pop: { nodeId: 'pop-1', region: 'eu-central-1' } };
    expect(decide(world(nodes), pinned).core.nodeId).toBe('eu');

    const onlyUs = refusalOf(() => decide(world([nodes[0]!]), pinned));
    expect(onlyUs.code).toBe('ERR_PLACEMENT_RESIDENCY');
    expect(onlyUs.message).toContain('us is in region "us-east-1", outside the pin "eu"');

    const foreignPop = refusalOf(() => decide(world(nodes), { ...pinned, pop: { nodeId: 'pop-2', region: 'local' } }));
    expect(foreignPop.code).toBe('ERR_PLACEMENT_RESIDENCY');
    expect(foreignPop.message).toContain('pop-2');
  });

  it('calls it capacity, not residency, when the core within the pin is only full', () => {
    const full = coreRecord({ region: 'eu', capacity: { sessions: 0 } });
    const pinned = { ...request, residency: 'eu', pop: { nodeId: 'pop-1', region: 'eu' } };
    expect(refusalOf(() => decide(world([full]), pinned)).code).toBe('ERR_PLACEMENT_NO_CORE');
  });
});

describe('regionWithin()', () => {
  it('holds a region and what is named below it, not what merely begins alike', () => {
    expect(regionWithin('eu', 'eu')).toBe(true);
    expect(regionWithin('EU-west-1', 'eu')).toBe(true);
    expect(regionWithin('europe', 'eu')).toBe(false);
    expect(regionWithin('us-east-1', 'eu')).toBe(false);
  });
});
