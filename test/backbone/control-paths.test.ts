/** A control channel that has several addresses to go by, and a core that falls silent without hanging up. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { TcpLink } from '../wan/tcp-link.ts';
import { Backbone, ready } from './support/control.ts';
import { SilentLink } from './support/silent-link.ts';
import { metricValue } from './support/workers.ts';

const POLL = { interval: 5, timeout: 20_000 };
const LOCAL = '127.0.0.1';

const renewals = (backbone: Backbone, reason: string, outcome: string) =>
  metricValue(backbone.metrics, 'antipode_backbone_renewals_total', { reason, outcome });
const suspicions = (backbone: Backbone, side: string, outcome: string) =>
  metricValue(backbone.metrics, 'antipode_backbone_suspicions_total', { side, outcome });

describe('a core with two addresses', () => {
  test('is reached by the second when nobody listens at the first', async () => {
    await using backbone = await Backbone.start();
    const gone = await Backbone.start();
    await gone.server.close();
    const addresses = [
      { name: 'backbone', host: LOCAL, port: gone.server.port },
      { name: 'internet', host: LOCAL, port: backbone.server.port },
    ];
    const pop = await backbone.dial({ addresses });
    expect(pop.way).toBe('internet');
    await pop.request('session.ready', ready('s'));
  });

  test('is reached by the second when the first swallows everything, and the first one is not waited for', async () => {
    await using backbone = await Backbone.start();
    await using hole = await SilentLink.open({ host: LOCAL, port: backbone.server.port });
    hole.silence(true);
    const addresses = [
      { name: 'backbone', host: LOCAL, port: hole.port },
      { name: 'internet', host: LOCAL, port: backbone.server.port },
    ];
    const pop = await backbone.dial({ addresses, requestTimeoutMs: 60_000 });
    expect(pop.way).toBe('internet');
    expect(backbone.server.peerCount).toBe(1);
  });

  test('is reached by the second when the first falls silent in the middle: the channel goes down and up in one', async () => {
    await using backbone = await Backbone.start();
    await using first = await SilentLink.open({ host: LOCAL, port: backbone.server.port });
    const addresses = [
      { name: 'backbone', host: LOCAL, port: first.port },
      { name: 'internet', host: LOCAL, port: backbone.server.port },
    ];
    const pop = await backbone.dial({ addresses });
    expect(pop.way).toBe('backbone');
    const said: string[] = [];
    for (const event of ['down', 'up'] as const) pop.on(event, () => said.push(event));
    first.silence(true);
    await once(pop, 'up');
    expect(said).toEqual(['down', 'up']);
    expect(pop.way).toBe('internet');
    await pop.request('session.ready', ready('s'));
    expect(await renewals(backbone, 'silence', 'replaced')).toBe(1);
    expect(backbone.server.peerCount).toBe(1);
  });

  test('is reached by the first again when that is back, without the channel going down', async () => {
    await using backbone = await Backbone.start();
    const gone = await Backbone.start({}, backbone.ca);
    await gone.server.close();
    // Time runs a hundred times as fast for the POP's looking back, and for nothing else that matters here.
    const clock = {
      ...systemClock,
      setTimeout: (callback: () => void, delayMs: number) =>
        systemClock.setTimeout(callback, delayMs > 20_000 && delayMs < 60_000 ? delayMs / 100 : delayMs),
    };
    const addresses = [
      { name: 'backbone', host: LOCAL, port: gone.server.port },
      { name: 'internet', host: LOCAL, port: backbone.server.port },
    ];
    const pop = await backbone.dial({ addresses, clock, random: () => 0.5 });
    const downs: unknown[] = [];
    pop.on('down', (error) => downs.push(error));
    await expect.poll(() => renewals(backbone, 'address', 'failed'), POLL).toBeGreaterThan(0);
    const { port } = backbone.server;
    const path = { delayMs: 1 };
    const listen = { host: LOCAL, port: gone.server.port };
    await using _back = await TcpLink.open({ listen, server: { host: LOCAL, port }, path, clock: systemClock });
    await expect.poll(() => pop.way, POLL).toBe('backbone');
    expect(await renewals(backbone, 'address', 'continued')).toBe(1);
    await pop.request('session.ready', ready('s'));
    expect(downs).toEqual([]);
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', 'request session.ready s']);
  });
});

describe('a core that falls silent without hanging up', () => {
  test('is suspected, and it was nothing when it is heard again', async () => {
    await using backbone = await Backbone.start();
    await using way = await SilentLink.open({ host: LOCAL, port: backbone.server.port });
    const pop = await backbone.dial({ port: way.port });
    let downs = 0;
    pop.on('down', () => {
      downs += 1;
    });
    const suspected = once(pop, 'suspected');
    const heard = once(pop, 'heard');
    way.silence(true);
    await suspected;
    expect([pop.suspected, pop.up]).toEqual([true, true]);
    way.silence(false);
    await heard;
    expect([pop.suspected, pop.up, downs]).toEqual([false, true, 0]);
    await pop.request('session.ready', ready('s'));
    expect(await suspicions(backbone, 'pop', 'raised')).toBe(1);
    expect(await suspicions(backbone, 'pop', 'unfounded')).toBe(1);
  });

  test('is lost when it stays silent, and so is the POP at the core, which was told first', async () => {
    await using backbone = await Backbone.start();
    const told: string[] = [];
    Object.assign(backbone.handlers, {
      peerSuspected: () => told.push('suspected'),
      peerHeard: () => told.push('heard'),
    });
    await using way = await SilentLink.open({ host: LOCAL, port: backbone.server.port });
    const pop = await backbone.dial({ port: way.port });
    const down = once(pop, 'down');
    way.silence(true);
    const [error] = await down;
    expect(error).toMatchObject({ code: 'ERR_BACKBONE_TIMEOUT' });
    await backbone.handlers.until('closed pop-1 ERR_BACKBONE_TIMEOUT');
    expect(told).toEqual(['suspected']);
    expect(await suspicions(backbone, 'core', 'raised')).toBe(1);
    expect(await suspicions(backbone, 'pop', 'unfounded')).toBe(0);
  });
});
