import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CoreEventName, MediaWorker, PopPeer } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { Admission } from '../../src/core/admission.ts';
import { CoreMetrics } from '../../src/core/core-metrics.ts';
import { NodeClock } from '../../src/core/node-clock.ts';
import { SessionHost } from '../../src/core/session-host.ts';
import { WorkerPool } from '../../src/core/worker-pool.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedAgents } from './support/scripted-agents.ts';
import { type Ask, ScriptedPop, startWorker } from './support/scripted-pop.ts';

/** A POP as the control server would show it; keeps what it is told. */
class Peer implements PopPeer {
  readonly nodeId: string;
  readonly region = 'local';
  readonly told: [CoreEventName, Record<string, unknown>][] = [];

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }
  rttMs(): number {
    return 7;
  }
  send(event: CoreEventName, data: object): void {
    this.told.push([event, data as Record<string, unknown>]);
  }
  close(): void {}
  events(): string[] {
    return this.told.map(([event, data]) => {
      const end = data.end as { code: string } | undefined;
      return [event, data.sessionId ?? data.pipeId, end?.code].filter(Boolean).join(' ');
    });
  }
}

let popWorker: MediaWorker;
let coreWorker: MediaWorker;

beforeAll(async () => {
  [popWorker, coreWorker] = await Promise.all([startWorker('pop'), startWorker('core')]);
}, 20_000);
afterAll(async () => {
  await Promise.all([popWorker?.close(), coreWorker?.close()]);
});

describe('SessionHost', () => {
  let clock: FakeClock;
  let host: SessionHost;
  let agents: ScriptedAgents;
  let metrics: CoreMetrics;
  let peer: Peer;
  let pop: ScriptedPop;

  const askAs =
    (who: PopPeer): Ask =>
    async (method, data) =>
      host.request(who, method, data);

  beforeEach(async () => {
    clock = new FakeClock();
    agents = new ScriptedAgents();
    const registry = createMetrics({ processMetrics: false });
    metrics = new CoreMetrics(registry, 'core-1');
    host = new SessionHost({
      agents,
      workers: new WorkerPool([coreWorker], systemClock),
      nodeClock: new NodeClock({ clock, log: silentLogger }),
      clock,
      log: silentLogger,
      metrics,
      admission: new Admission({
        ...{ capacity: 2, settings: configSchema.parse({}).core.admission, maxSessions: 3 },
        sample: () => ({ sessions: 0, latenessP99Ms: null, lateFrameShare: null, utilization: 0 }),
        ...{ clock: new FakeClock(), log: silentLogger, metrics: registry, nodeId: 'core-1' },
      }),
      maxSessionMs: 600_000,
      popGraceMs: 30_000,
      reorderWaitMs: 40,
      listenIp: '127.0.0.1',
      announcedAddress: null,
    });
    peer = new Peer('pop-1');
    host.peerOpened(peer);
    pop = new ScriptedPop(popWorker, askAs(peer));
    await pop.openPipe();
  });

  afterEach(async () => {
    const ended = host.endAll({ code: 'node-shutdown', reason: 'The test is over.' });
    clock.advance(2_000);
    await ended;
    host.close();
    pop.pipe.close();
  });

  it('tells its POPs that it drains, those that come later what is left of the time, and when it is over', () => {
    host.beginDrain(8_000);
    clock.advance(3_000);
    const late = new Peer('pop-2');
    host.peerOpened(late);
    host.endDrain();
    host.endDrain();
    const toldOf = ({ told }: Peer) => told.filter(([name]) => name === 'core.draining').map(([, data]) => data);
    expect(toldOf(peer)).toEqual([{ withinMs: 8_000 }, { withinMs: null }]);
    expect(toldOf(late)).toEqual([{ withinMs: 5_000 }, { withinMs: null }]);
  });

  it('starts the agent when the caller is ready, once', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    expect(host.sessionCount).toBe(1);
    expect(agents.starts).toEqual([]);
    await caller.ready();
    await caller.ready();
    expect(agents.starts).toEqual(['echo s1']);
    const call = agents.call('s1');
    expect(call).toMatchObject({ sessionId: 's1', room: 'room-1', metadata: { from: 'test' } });
    expect(call.backboneRttMs()).toBe(7);
  });

  it('answers a POP that holds the agent for a sound by what the agent does', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    const { mouth } = agents.call('s1');
    const ducked = (duck: number, epoch = 1) =>
      host.event(peer, 'reflex.ducked', { sessionId: 's1', epoch, duck, timestamp: null, uplinkPacket: 50 });
    mouth.yields(true);
    ducked(1);
    clock.advance(240);
    ducked(2);
    mouth.pause();
    mouth.resume();
    ducked(3, 7);
    clock.advance(1_000);
    expect(peer.told.map(([event, { duck, armed, verdict }]) => [event, armed ?? duck, verdict])).toEqual([
      ['reflex.armed', true, undefined],
      ['reflex.answered', 1, 'rejected'],
      ['reflex.answered', 2, 'pending'],
      ['reflex.answered', 2, 'rejected'],
    ]);
    expect(metrics.totals.staleMessages).toBe(1);
  });

  it('refuses what cannot be, with a code and without a trace', async () => {
    await expect(pop.caller('s1').attach('nobody')).rejects.toMatchObject({ code: 'ERR_AGENT_UNKNOWN' });
    const uplink = { producerId: 'p', ssrc: 5 };
    const attach = {
      sessionId: 's1',
      epoch: 1,
      pipeId: 'no-such-pipe',
      agent: 'echo',
      room: '',
      residency: null,
      confinement: null,
      metadata: {},
      uplink,
    };
    await expect(pop.ask('session.attach', attach)).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    await expect(pop.ask('session.ready', { sessionId: 's1', epoch: 1 })).rejects.toMatchObject({
      code: 'ERR_SESSION_UNKNOWN',
    });
    await expect(
      pop.ask('session.repipe', { sessionId: 's1', epoch: 1, pipeId: pop.pipeId, uplink }),
    ).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await expect(pop.ask('pipe.open', pop.pipe.local)).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
    expect(host.sessionCount).toBe(0);
    expect(clock.pendingCount).toBe(0);
  });

  it('takes no more sessions than it may', async () => {
    await pop.caller('s1').attach('echo');
    await pop.caller('s2').attach('echo');
    await expect(pop.caller('s3').attach('echo')).rejects.toMatchObject({ code: 'ERR_SESSION_LIMIT' });
    await pop.ask('session.detach', { sessionId: 's1', epoch: 1, end: { code: 'caller-left', reason: '' } });
    await pop.caller('s3').attach('echo');
    expect(host.sessionCount).toBe(2);
  });

  it('refuses an epoch that it has seen and replaces a session by a later one', async () => {
    const first = pop.caller('s1', 3);
    await first.attach('echo');
    await first.ready();
    await expect(pop.caller('s1', 2).attach('echo')).rejects.toMatchObject({ code: 'ERR_BACKBONE_EPOCH' });
    await expect(pop.caller('s1', 3).attach('echo')).rejects.toMatchObject({ code: 'ERR_BACKBONE_EPOCH' });
    expect(agents.call('s1').signal.aborted).toBe(false);
    const second = pop.caller('s1', 4);
    await second.attach('echo');
    expect(agents.call('s1').signal.aborted).toBe(true);
    expect(peer.told.at(-1)).toMatchObject(['session.ended', { sessionId: 's1', epoch: 3, end: { code: 'replaced' } }]);
    await expect(first.ready()).rejects.toMatchObject({ code: 'ERR_BACKBONE_EPOCH' });
    await second.ready();
    expect(agents.starts.length).toBe(2);
    // The old one's leave-taking does not end the new one.
    await pop.ask('session.detach', { ...first.name, end: { code: 'caller-left', reason: '' } });
    expect(host.sessionCount).toBe(1);
  });

  it('does nothing to a session, or a pipe, for a POP that claims what is of another one', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    const other = new Peer('pop-2');
    host.peerOpened(other);
    const stream = { producerId: 'p', ssrc: 5 };
    await expect(askAs(other)('session.ready', caller.name)).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    const repipe = { ...caller.name, pipeId: pop.pipeId, uplink: stream };
    await expect(askAs(other)('session.repipe', repipe)).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await expect(askAs(other)('pipe.probe', { pipeId: pop.pipeId, stream })).rejects.toMatchObject({
      code: 'ERR_BACKBONE_CLOSED',
    });
    await askAs(other)('session.detach', { ...caller.name, end: { code: 'caller-left', reason: '' } });
    await askAs(other)('pipe.close', { pipeId: pop.pipeId });
    expect([host.sessionCount, agents.call('s1').signal.aborted, pop.pipe.closed]).toEqual([1, false, false]);
    await caller.ready();
  });

  it('sends one probe back over each pipe, and no second one', async () => {
    const stream = { producerId: 'p', ssrc: 77_777 };
    const { stream: back } = await pop.ask('pipe.probe', { pipeId: pop.pipeId, stream });
    expect(back.ssrc).toBeGreaterThan(0);
    const second = pop.ask('pipe.probe', { pipeId: pop.pipeId, stream: { producerId: 'q', ssrc: 77_778 } });
    await expect(second).rejects.toMatchObject({ code: 'ERR_MEDIA_STATE' });
  });

  it('drops and counts messages of another epoch, of no session and of another POP', async () => {
    const caller = pop.caller('s1', 2);
    await caller.attach('echo');
    await caller.ready();
    const heard: string[] = [];
    agents.call('s1').onMessage((message) => heard.push(message.type === 'text' ? message.text : message.name));
    const message = { type: 'text', text: 'hello' } as const;
    host.event(peer, 'session.message', { sessionId: 's1', epoch: 1, message });
    host.event(peer, 'session.message', { sessionId: 's9', epoch: 2, message });
    host.event(new Peer('pop-2'), 'session.message', { sessionId: 's1', epoch: 2, message });
    host.event(peer, 'session.message', { sessionId: 's1', epoch: 2, message });
    expect(heard).toEqual(['hello']);
    expect(metrics.totals.staleMessages).toBe(3);
  });

  it('keeps messages that came before the agent listened', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    host.event(peer, 'session.message', { ...caller.name, message: { type: 'text', text: 'early' } });
    await caller.ready();
    const heard: string[] = [];
    agents.call('s1').onMessage((message) => heard.push(message.type));
    await Promise.resolve();
    expect(heard).toEqual(['text']);
  });

  it('carries events and the hanging up to the POP', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    const call = agents.call('s1');
    call.send({ type: 'agent-state', state: 'listening' });
    call.hangUp({ code: 'agent-hung-up', reason: 'Goodbye.' });
    call.hangUp({ code: 'agent-hung-up', reason: 'Again.' });
    call.send({ type: 'agent-state', state: 'speaking' });
    expect(peer.told).toEqual([
      ['session.event', { sessionId: 's1', epoch: 1, event: { type: 'agent-state', state: 'listening' } }],
      ['session.ended', { sessionId: 's1', epoch: 1, end: { code: 'agent-hung-up', reason: 'Goodbye.' } }],
    ]);
    expect(call.signal.aborted).toBe(true);
    expect(agents.closed).toEqual(['s1']);
    expect(host.sessionCount).toBe(0);
  });

  it.each([
    ['throws at its start', 'broken', async () => {}],
    ['fails later', 'failing', async () => agents.fail('s1', new Error('boom'))],
    [
      'throws at a frame',
      'failing',
      async () => {
        agents.call('s1').ear.onFrame(() => {
          throw new Error('boom');
        });
        clock.advance(200);
      },
    ],
  ])('ends only the call of an agent that %s', async (_how, agent, make) => {
    const other = pop.caller('s2');
    await other.attach('echo');
    await other.ready();
    const caller = pop.caller('s1');
    await caller.attach(agent);
    await caller.ready();
    await make();
    await new Promise((resolve) => setImmediate(resolve));
    expect(peer.events().filter((event) => event.startsWith('session.ended'))).toEqual([
      'session.ended s1 agent-failed',
    ]);
    expect(JSON.stringify(peer.told)).not.toContain('boom');
    expect(metrics.totals.agentsFailed).toBe(1);
    expect(host.sessionCount).toBe(1);
    expect(agents.call('s2').signal.aborted).toBe(false);
  });

  it('does not wait for ever for an agent that does not close', async () => {
    const caller = pop.caller('s1');
    await caller.attach('stubborn');
    await caller.ready();
    const ended = host.endAll({ code: 'node-shutdown', reason: 'The node stops.' });
    clock.advance(1_000);
    await ended;
    expect(peer.events()).toEqual(['session.ended s1 node-shutdown']);
    await expect(pop.caller('s2').attach('echo')).rejects.toMatchObject({ code: 'ERR_SHUTTING_DOWN' });
  });

  it('keeps the sessions of a POP that returns in time, and tells it what it missed', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    host.peerClosed(peer);
    agents.call('s1').send({ type: 'caller-speaking', speaking: true });
    clock.advance(4_900);
    const returned = new Peer('pop-1');
    host.peerOpened(returned);
    clock.advance(10_000);
    expect(host.sessionCount).toBe(1);
    expect(returned.events()).toEqual(['session.event s1']);
    // The end of the earlier connection, told late, says nothing about the new one.
    host.peerClosed(peer);
    clock.advance(10_000);
    expect(host.sessionCount).toBe(1);
  });

  it('ends the sessions of a POP that does not return, and closes its pipes', async () => {
    const caller = pop.caller('s1');
    await caller.attach('echo');
    await caller.ready();
    host.peerClosed(peer);
    clock.advance(29_999);
    expect(host.sessionCount).toBe(1);
    clock.advance(1);
    expect(host.sessionCount).toBe(0);
    expect(agents.call('s1').signal.aborted).toBe(true);
    const returned = new Peer('pop-1');
    host.peerOpened(returned);
    await expect(host.request(returned, 'session.ready', caller.name)).rejects.toMatchObject({
      code: 'ERR_SESSION_UNKNOWN',
    });
  });

  it('keeps a session whose pipe is closed until a new one comes, for 10 s', async () => {
    const [staying, leaving] = [pop.caller('s1'), pop.caller('s2')];
    for (const caller of [staying, leaving]) {
      await caller.attach('echo');
      await caller.ready();
    }
    await pop.ask('pipe.close', { pipeId: pop.pipeId });
    expect(host.sessionCount).toBe(2);
    await pop.openPipe();
    await staying.repipe();
    clock.advance(10_000);
    expect(host.sessionCount).toBe(1);
    expect(agents.call('s1').signal.aborted).toBe(false);
    expect(agents.starts.length).toBe(2);
    expect(peer.events()).toEqual(['session.ended s2 caller-lost']);
  });

  it('ends a session that lasts too long', async () => {
    const caller = pop.caller('s1');
    await caller.attach('failing');
    clock.advance(600_000);
    expect(peer.events()).toEqual(['session.ended s1 expired']);
  });
});
