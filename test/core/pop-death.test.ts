/** What a core does when a POP of its sessions is gone: it waits, and goes on for the POP by which a caller comes back. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CoreEventData, CoreEventName, MediaWorker, PopPeer } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { CoreMetrics } from '../../src/core/core-metrics.ts';
import { NodeClock } from '../../src/core/node-clock.ts';
import { SessionHost } from '../../src/core/session-host.ts';
import { WorkerPool } from '../../src/core/worker-pool.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedAgents } from './support/scripted-agents.ts';
import { type Ask, ScriptedPop, startWorker } from './support/scripted-pop.ts';

const GRACE_MS = 30_000;
const REPLACED = { code: 'replaced', reason: 'It could not be taken.' } as const;

class Peer implements PopPeer {
  readonly nodeId: string;
  readonly region = 'local';
  readonly told: [CoreEventName, Record<string, unknown>][] = [];
  /** Takes the journal, as a POP does. */
  onJournal: (data: CoreEventData<'session.journal'>) => void = () => {};

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }
  rttMs(): number {
    return 7;
  }
  send(event: CoreEventName, data: object): void {
    this.told.push([event, data as Record<string, unknown>]);
    if (event === 'session.journal') this.onJournal(data as CoreEventData<'session.journal'>);
  }
  close(): void {}
  of(event: CoreEventName): Record<string, unknown>[] {
    return this.told.filter(([name]) => name === event).map(([, data]) => data);
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

describe('a core whose POP is gone', () => {
  let clock: FakeClock;
  let host: SessionHost;
  let agents: ScriptedAgents;
  let metrics: CoreMetrics;
  let first: Peer;
  let second: Peer;

  async function popOf(peer: Peer): Promise<ScriptedPop> {
    const ask: Ask = async (method, data) => host.request(peer, method, data);
    host.peerOpened(peer);
    peer.onJournal = ({ sessionId, epoch, from, notes }) => {
      queueMicrotask(() => host.event(peer, 'session.journaled', { sessionId, epoch, to: from + notes.length - 1 }));
    };
    const pop = new ScriptedPop(popWorker, ask);
    await pop.openPipe();
    return pop;
  }

  beforeEach(() => {
    clock = new FakeClock();
    agents = new ScriptedAgents();
    metrics = new CoreMetrics(createMetrics({ processMetrics: false }), 'core-1');
    host = new SessionHost({
      agents,
      workers: new WorkerPool([coreWorker], systemClock),
      nodeClock: new NodeClock({ clock, log: silentLogger }),
      clock,
      log: silentLogger,
      metrics,
      admission: { demand: () => undefined },
      maxSessionMs: 600_000,
      popGraceMs: GRACE_MS,
      reorderWaitMs: 40,
      listenIp: '127.0.0.1',
      announcedAddress: null,
    });
    [first, second] = [new Peer('pop-1'), new Peer('pop-2')];
  });
  afterEach(async () => {
    await host.endAll({ code: 'node-shutdown', reason: 'The test is over.' });
    host.close();
  });

  /** A session `s1` that runs at the first POP. @param agent `failing` is silent by itself */
  async function running(agent = 'echo') {
    const pop = await popOf(first);
    const caller = pop.caller('s1');
    await caller.attach(agent);
    await caller.ready();
    return { pop, caller, call: agents.call('s1') };
  }

  it('lets the agent go on for another POP, with a later epoch', async () => {
    const { call } = await running();
    host.peerClosed(first);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    await caller.ready();
    call.send({ type: 'agent-state', state: 'listening' });
    expect(second.of('session.event').at(-1)).toMatchObject({ sessionId: 's1', epoch: 2 });
    const heard: string[] = [];
    call.onMessage((message) => heard.push(message.type));
    host.event(second, 'session.message', { ...caller.name, message: { type: 'text', text: 'I am back' } });
    expect(heard).toEqual(['text']);
    expect(agents.starts).toHaveLength(1);
    expect(call.signal.aborted).toBe(false);
    expect(host.sessionCount).toBe(1);
    expect(metrics.totals.sessionsAdopted).toBe(1);
    clock.advance(GRACE_MS * 2);
    expect(host.sessionCount).toBe(1);
  });

  it('tells a former POP that lives, and hears it no more', async () => {
    const { caller: former, call } = await running();
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    expect(first.of('session.ended')).toEqual([]);
    await caller.ready();
    expect(first.of('session.ended')).toMatchObject([{ sessionId: 's1', epoch: 1, end: { code: 'replaced' } }]);
    const heard: string[] = [];
    call.onMessage((message) => heard.push(message.type));
    host.event(first, 'session.message', { ...former.name, message: { type: 'text', text: 'late' } });
    expect(heard).toEqual([]);
    expect(metrics.totals.staleMessages).toBe(1);
    await expect(former.ready()).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await former.detach({ code: 'caller-left', reason: '' });
    expect(host.sessionCount).toBe(1);
  });

  it('hears the caller by the former POP until the new one brings the caller’s voice', async () => {
    const { caller: former, call } = await running('failing');
    let received = 0;
    call.ear.onFrame((frame) => {
      if (frame.origin === 'received') received += 1;
    });
    const heard = async (count: number) => expect.poll(() => received, { timeout: 5_000 }).toBe(count);
    const silence = Buffer.from([0xf8, 0xff, 0xfe]);
    former.speak(silence);
    await heard(1);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('failing', { adopt: true });
    former.speak(silence);
    await heard(2);
    expect(first.of('session.ended')).toEqual([]);
    caller.speak(silence);
    await heard(3);
    expect(first.of('session.ended')).toHaveLength(1);
    former.speak(silence);
    caller.speak(silence);
    await heard(4);
  });

  it('goes by the epoch when two POPs believe that they have the caller', async () => {
    const { call } = await running();
    host.peerClosed(first);
    const winner = (await popOf(second)).caller('s1', 2);
    await winner.attach('echo', { adopt: true });
    const third = await popOf(new Peer('pop-3'));
    for (const epoch of [1, 2]) {
      await expect(third.caller('s1', epoch).attach('echo', { adopt: true })).rejects.toMatchObject({
        code: 'ERR_BACKBONE_EPOCH',
      });
    }
    await winner.ready();
    const later = third.caller('s1', 3);
    await later.attach('echo', { adopt: true });
    await later.ready();
    expect(second.of('session.ended')).toMatchObject([{ epoch: 2, end: { code: 'replaced' } }]);
    await expect(winner.ready()).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    expect(call.signal.aborted).toBe(false);
  });

  it('says that it does not know a session that is over', async () => {
    const { caller } = await running();
    await caller.detach({ code: 'caller-left', reason: '' });
    const back = (await popOf(second)).caller('s1', 2);
    await expect(back.attach('echo', { adopt: true })).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    expect(agents.starts).toHaveLength(1);
  });

  it('lets no time pass for the agent until the caller is heard again', async () => {
    const { call } = await running();
    let frames = 0;
    call.ear.onFrame(() => {
      frames += 1;
    });
    const fired: string[] = [];
    call.clock.setTimeout(() => fired.push('idle'), 5_000);
    clock.advance(1_000);
    expect(frames).toBeGreaterThan(40);
    host.peerClosed(first);
    frames = 0;
    clock.advance(20_000);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    clock.advance(5_000);
    expect(frames).toBe(0);
    expect(fired).toEqual([]);
    await caller.ready();
    clock.advance(1_000);
    expect(frames).toBeGreaterThan(40);
    expect(frames).toBeLessThan(60);
    clock.advance(3_000);
    expect(fired).toEqual(['idle']);
  });

  it('sends the agent’s words that the former POP did not report to the next one, from the first of them on', async () => {
    const { caller: former, call } = await running('failing');
    const utterance = call.mouth.open();
    call.mouth.write(utterance, new Int16Array(16_000 * 4).fill(2_000), 16_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(380);
    await former.hears(20);
    const { timestamp } = former.heard[14]!;
    host.event(first, 'session.played', { ...former.name, timestamp, frames: 14 });
    host.peerClosed(first);
    // It speaks on for as long as a channel may be away that only broke.
    clock.advance(1_000);
    const spokenOn = 14;
    await former.hears(20 + spokenOn);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    clock.advance(1_000);
    expect(caller.heard).toEqual([]);
    await caller.ready();
    clock.advance(400);
    await caller.hears(20);
    expect(caller.heard[0]?.timestamp).toBe(timestamp);
    expect(metrics.totals.mouthFramesAgain).toBe(6 + spokenOn);
    const steps = caller.heard.map((view) => ((view.timestamp - timestamp) >>> 0) / 960);
    expect(steps.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, at) => at));
  });

  it('writes its journal anew, without packets and messages of the former POP', async () => {
    const { call } = await running();
    const note = (text: string) =>
      call.journal!.note({
        type: 'context',
        change: { at: 0, removed: 0, added: [{ role: 'caller', text }] },
      } as never);
    note('before');
    host.event(first, 'session.message', { sessionId: 's1', epoch: 1, message: { type: 'text', text: 'hello' } });
    await Promise.resolve();
    host.peerClosed(first);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    await Promise.resolve();
    const [frame] = second.of('session.journal');
    expect(frame).toMatchObject({ sessionId: 's1', epoch: 2, restart: true });
    expect((frame!.notes as { type: string }[]).map(({ type }) => type)).toEqual(['context']);
  });

  it('tells the client by the new POP what it said meanwhile', async () => {
    const { call } = await running();
    host.peerClosed(first);
    call.send({ type: 'agent-state', state: 'thinking' });
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    expect(second.of('session.event').map(({ event }) => event)).toEqual([{ type: 'agent-state', state: 'thinking' }]);
  });

  it('waits on when a POP could not take the caller after all, and gives up after the grace', async () => {
    await running();
    host.peerClosed(first);
    clock.advance(GRACE_MS - 1_000);
    const caller = (await popOf(second)).caller('s1', 2);
    await caller.attach('echo', { adopt: true });
    await caller.detach(REPLACED);
    clock.advance(GRACE_MS - 1);
    expect(host.sessionCount).toBe(1);
    clock.advance(1);
    expect(host.sessionCount).toBe(0);
  });

  it('ends a session that a POP of the same name, started anew, does not ask for', async () => {
    await running();
    host.peerClosed(first);
    host.peerOpened(new Peer('pop-1'));
    clock.advance(GRACE_MS);
    expect(host.sessionCount).toBe(0);
  });
});
