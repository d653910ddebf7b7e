/** Registry records for tests: a core, a POP, a session, with whatever the test wants otherwise. */
import type { AgentDescription, NodeRecord, SessionRecord } from '../../src/registry/index.ts';

export function agentNamed(name: string): AgentDescription {
  return { name, title: `The ${name}`, description: `What ${name} does.`, notices: [], examples: [] };
}

export function coreRecord(change: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId: 'core-1',
    role: 'core',
    region: 'local',
    control: { host: '127.0.0.1', port: 7_001 },
    signalingUrl: null,
    agents: [agentNamed('echo'), agentNamed('front-desk')],
    capacity: { sessions: 100 },
    load: { sessions: 0 },
    draining: false,
    startedAt: '2026-01-01T12:00:00.000Z',
    ...change,
  };
}

export function popRecord(change: Partial<NodeRecord> = {}): NodeRecord {
  return coreRecord({
    nodeId: 'pop-1',
    role: 'pop',
    control: null,
    signalingUrl: 'ws://localhost:8080',
    agents: [],
    ...change,
  });
}

export function sessionRecord(change: Partial<SessionRecord> = {}): SessionRecord {
  return {
    sessionId: 'session-1',
    room: 'room-1',
    agent: 'echo',
    residency: null,
    metadata: {},
    pop: 'pop-1',
    core: 'core-1',
    epoch: 1,
    zone: 'local',
    state: 'created',
    end: null,
    createdAt: '2026-01-01T12:00:00.000Z',
    expiresAt: '2026-01-01T12:02:00.000Z',
    placement: { reason: 'the only core' },
    ...change,
  };
}
