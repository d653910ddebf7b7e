/** A living control channel moves to another connection: when a certificate is renewed, and back to a better address. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { ControlRenewal } from '../../src/backbone/control-renewal.ts';
import { type ControlClient, LiveIdentity, type NodeIdentity } from '../../src/backbone/index.ts';
import { systemClock } from '../../src/clock.ts';
import { createMetrics, silentLogger as log } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { WanPathOptions } from '../wan/path.ts';
import { TcpLink } from '../wan/tcp-link.ts';
import { Backbone, temporaryCa } from './support/control.ts';
import { metricValue } from './support/workers.ts';

const DAY_MS = 24 * 3_600_000;
const ready = (sessionId: string) => ({ sessionId, epoch: 1 });

describe('ControlRenewal', () => {
  function setUp() {
    const clock = new FakeClock(0);
    const due: string[] = [];
    let renew = () => {};
    const identity = {
      ...{ nodeId: 'pop-1', role: 'pop' as const, caPem: '', certPem: '', keyPem: '' },
      onRenewed: (listener: () => void) => {
        renew = listener;
        return () => {
          renew = () => {};
        };
      },
    };
    const renewal = new ControlRenewal({ clock, identity, random: () => 0, onDue: (why) => due.push(why) });
    return { clock, due, renewal, renewed: () => renew() };
  }

  test('is due a day before the first certificate ends, by the wall clock', () => {
    const { clock, due, renewal } = setUp();
    renewal.opened(clock.date().getTime() + 90 * DAY_MS, { isPreferred: true });
    clock.advance(89 * DAY_MS - 1);
    expect(due).toEqual([]);
    clock.advance(1);
    expect(due).toEqual(['certificate']);
  });

  test('with a short one after two thirds of it', () => {
    const { clock, due, renewal } = setUp();
    renewal.opened(clock.date().getTime() + 3 * 3_600_000, { isPreferred: true });
    clock.advance(2 * 3_600_000 - 1);
    expect(due).toEqual([]);
    clock.advance(1);
    expect(due).toEqual(['certificate']);
  });

  test('is tried again a minute after it failed', () => {
    const { clock, due, renewal } = setUp();
    renewal.opened(clock.date().getTime() + 90_000, { isPreferred: true });
    clock.advance(60_000);
    renewal.failed('certificate');
    clock.advance(60_000);
    expect(due).toEqual(['certificate', 'certificate']);
  });

  test('is due at once when this node got another certificate, while the channel is up', () => {
    const { clock, due, renewal, renewed } = setUp();
    renewed();
    clock.advance(0);
    expect(due).toEqual([]);
    renewal.opened(clock.date().getTime() + 90 * DAY_MS, { isPreferred: true });
    renewed();
    clock.advance(0);
    expect(due).toEqual(['certificate']);
  });

  test('by another than the preferred address that is tried again and again', () => {
    const { clock, due, renewal } = setUp();
    renewal.opened(clock.date().getTime() + 90 * DAY_MS, { isPreferred: false });
    clock.advance(22_500);
    expect(due).toEqual(['address']);
    renewal.failed('address');
    clock.advance(22_500);
    expect(due).toEqual(['address', 'address']);
    renewal.opened(clock.date().getTime() + 90 * DAY_MS, { isPreferred: true });
    clock.advance(120_000);
    expect(due).toHaveLength(2);
  });

  test('close() ends it', () => {
    const { clock, due, renewal, renewed } = setUp();
    renewal.opened(clock.date().getTime() + 90 * DAY_MS, { isPreferred: false });
    renewal.close();
    renewal.close();
    renewed();
    expect({ timers: clock.pendingCount, due }).toEqual({ timers: 0, due: [] });
  });
});

describe('a control channel whose POP gets another certificate', () => {
  /** @param path of a long way between the two */
  async function setUp(path: WanPathOptions = { delayMs: 0 }) {
    const ca = await temporaryCa();
    const metrics = createMetrics({ processMetrics: false });
    const live = (first: NodeIdentity) => new LiveIdentity({ first, clock: systemClock, log, metrics });
    const core = live(await ca.issue({ nodeId: 'core-1', role: 'core' }));
    const backbone = await Backbone.start({ identity: core }, ca);
    const issue = () => ca.issue({ nodeId: 'pop-1', role: 'pop' });
    const identity = live(await issue());
    const server = { host: '127.0.0.1', port: backbone.server.port };
    const link = await TcpLink.open({ listen: { host: '127.0.0.1', port: 0 }, server, path, clock: systemClock });
    const pop = await backbone.dial({ identity, port: link.port, random: () => 0 });
    const downs: unknown[] = [];
    pop.on('down', (error) => downs.push(error));
    return { backbone, link, core, pop, downs, renew: async () => identity.renew(await issue()) };
  }

  const moved = (backbone: Backbone) =>
    metricValue(backbone.metrics, 'antipode_backbone_renewals_total', { reason: 'certificate', outcome: 'continued' });

  /** Numbered requests and events in both directions, without a pause, while the channel moves `times` times. */
  async function talkWhile(pop: ControlClient, backbone: Backbone, renew: () => Promise<void>, times: number) {
    const asked: Promise<unknown>[] = [];
    let told = 0;
    const peer = backbone.handlers.peers[0]!;
    for (let move = 1; move <= times; move++) {
      await renew();
      while ((await moved(backbone)) < move) {
        asked.push(pop.request('session.ready', ready(`r${asked.length}`)));
        pop.send('session.played', { sessionId: `p${asked.length}`, epoch: 1, timestamp: 0, frames: 0 });
        told += 1;
        peer.send('session.flush', { sessionId: `e${told}`, epoch: 1, beforeTimestamp: told });
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await Promise.all(asked);
    return { asked: asked.length, told };
  }

  test('moves to a new connection: nothing is lost, nothing overtakes, and the core sees one POP all the while', async () => {
    const { backbone, link, pop, downs, renew } = await setUp();
    await using _link = link;
    await using _closing = backbone;
    const heard: number[] = [];
    pop.on('event', (name, data) => {
      if (name === 'session.flush') heard.push(data.beforeTimestamp);
    });
    const { asked, told } = await talkWhile(pop, backbone, renew, 5);
    await pop.request('session.ready', ready('last'));
    expect(downs).toEqual([]);
    expect(heard).toEqual(Array.from({ length: told }, (_, at) => at + 1));
    const expected = Array.from({ length: asked }, (_, at) => [
      `request session.ready r${at}`,
      `event session.played p${at + 1}`,
    ]).flat();
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', ...expected, 'request session.ready last']);
    expect(backbone.server.peerCount).toBe(1);
    expect(asked).toBeGreaterThan(5);
  });

  test('waits for what is still on its slow way over the old connection', async () => {
    // The second connection is forty times as fast as the first.
    const path = { delayMs: 80 };
    const { backbone, pop, renew, link } = await setUp(path);
    await using _link = link;
    await using _closing = backbone;
    path.delayMs = 2;
    const heard: number[] = [];
    pop.on('event', (name, data) => {
      if (name === 'session.flush') heard.push(data.beforeTimestamp);
    });
    const peer = backbone.handlers.peers[0]!;
    let next = 0;
    const tell = () => {
      next += 1;
      peer.send('session.flush', { sessionId: 's', epoch: 1, beforeTimestamp: next });
      pop.send('session.played', { sessionId: `${next}`, epoch: 1, timestamp: 0, frames: 0 });
    };
    await renew();
    while ((await moved(backbone)) === 0) {
      tell();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (let more = 0; more < 20; more++) tell();
    const asked = next;
    await pop.request('session.ready', ready('last'));
    await expect.poll(() => heard.length).toBe(asked);
    expect(heard).toEqual(Array.from({ length: asked }, (_, at) => at + 1));
    const played = Array.from({ length: asked }, (_, at) => `event session.played ${at + 1}`);
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', ...played, 'request session.ready last']);
  });

  test('has requests answered that were under way', async () => {
    const { backbone, link, pop, renew } = await setUp();
    await using _link = link;
    await using _closing = backbone;
    const answers: (() => void)[] = [];
    backbone.handlers.answer = () => new Promise((resolve) => answers.push(() => resolve({})));
    const asked = pop.request('session.ready', ready('s'));
    await backbone.handlers.until('request session.ready s');
    await renew();
    await expect.poll(() => moved(backbone), { interval: 5 }).toBe(1);
    answers[0]!();
    expect(await asked).toEqual({});
  });

  test('goes on over the old connection when the new one does not come about', async () => {
    const { backbone, link, core, pop, downs, renew } = await setUp();
    await using _link = link;
    await using _closing = backbone;
    core.renew(await (await temporaryCa()).issue({ nodeId: 'core-1', role: 'core' }));
    await renew();
    const failed = () =>
      metricValue(backbone.metrics, 'antipode_backbone_renewals_total', { reason: 'certificate', outcome: 'failed' });
    await expect.poll(failed, { interval: 5 }).toBe(1);
    await pop.request('session.ready', ready('s'));
    expect(downs).toEqual([]);
  });

  test('comes up anew where the core has forgotten it meanwhile', async () => {
    const { backbone, link, pop, renew } = await setUp();
    await using _link = link;
    await using _closing = backbone;
    const up = once(pop, 'up');
    backbone.handlers.peers[0]!.close('forgotten');
    await renew();
    await up;
    await pop.request('session.ready', ready('s'));
    expect(backbone.handlers.heard).toContain('request session.ready s');
  });
});
