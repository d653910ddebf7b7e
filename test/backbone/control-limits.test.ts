import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { FakeClock } from '../support/fake-clock.ts';
import { Backbone, closing, flush, nextMessage, played, ready } from './support/control.ts';
import { metricValue } from './support/workers.ts';

/** Another POP's calls must not notice: its channel still answers. */
async function stillServes(backbone: Backbone): Promise<void> {
  const witness = await backbone.dial({ nodeId: 'pop-witness' });
  await witness.request('session.ready', ready('witness'));
}

function counted(backbone: Backbone, reason: string): Promise<number> {
  return metricValue(backbone.metrics, 'antipode_backbone_channel_closes_total', { side: 'core', reason });
}

function ignored(backbone: Backbone, kind: string): Promise<number> {
  return metricValue(backbone.metrics, 'antipode_backbone_ignored_frames_total', { side: 'core', kind });
}

describe('a peer that sends what is no frame', () => {
  test.each([
    ['no JSON', 'hello?'],
    ['half a frame', '{"id":1,"method":'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '7'],
    ['an object of no kind', '{"hello":1}'],
    ['a request without a number', '{"method":"session.ready","data":{}}'],
    ['a request with a negative number', '{"id":-1,"method":"session.ready","data":{}}'],
    ['a method that is no word', '{"id":1,"method":{"a":1},"data":{}}'],
    ['an event that is no word', '{"event":7}'],
    ['a ping that is no number', '{"ping":"now"}'],
    ['a million brackets deep', '['.repeat(100_000)],
  ])('is closed: %s', async (_what, text) => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    socket.send(text);
    expect((await closed).code).toBe(4400);
    expect(await counted(backbone, 'malformed')).toBe(1);
    expect(backbone.handlers.heard.at(-1)).toBe('closed pop-1 ERR_BACKBONE_PROTOCOL');
    await stillServes(backbone);
  });

  test('is closed: binary', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    socket.send(Buffer.from('{"ping":1}'));
    expect((await closed).code).toBe(4400);
    await stillServes(backbone);
  });

  test('is closed: broken WebSocket framing', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    (socket as WebSocket & { _socket: { write(data: Buffer): void } })._socket.write(Buffer.alloc(64, 0xff));
    await closed;
    expect(await counted(backbone, 'malformed')).toBe(1);
    await stillServes(backbone);
  });

  test('is closed: a frame longer than 256 KiB, without reading it whole', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    socket.send(JSON.stringify({ event: 'session.played', data: 'x'.repeat(256 * 1024) }));
    expect((await closed).code).toBe(1009);
    expect(await counted(backbone, 'oversized')).toBe(1);
    await stillServes(backbone);
  });
});

describe('a peer that sends frames with wrong contents', () => {
  test('is told of a bad request with the path, and stays', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const answer = nextAnswer(socket, 2);
    socket.send(JSON.stringify({ id: 2, method: 'session.ready', data: { sessionId: 's', epoch: 0 } }));
    expect(await answer).toMatchObject({ ok: false, error: { code: 'ERR_BACKBONE_PROTOCOL', path: 'data.epoch' } });
    const unknown = nextAnswer(socket, 3);
    socket.send(JSON.stringify({ id: 3, method: 'constructor', data: {} }));
    expect(await unknown).toMatchObject({ ok: false, error: { code: 'ERR_BACKBONE_PROTOCOL' } });
    const again = nextAnswer(socket, 4);
    socket.send(JSON.stringify({ id: 4, method: 'hello', data: { version: 1, nodeId: 'pop-1', region: '' } }));
    expect(await again).toMatchObject({ ok: false, error: { code: 'ERR_BACKBONE_PROTOCOL' } });
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away']);
  });

  test('cannot have a request done twice, nor one of an earlier connection', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const request = (id: number, sessionId: string) =>
      socket.send(JSON.stringify({ id, method: 'session.ready', data: { sessionId, epoch: 1 } }));
    const first = nextAnswer(socket, 7);
    request(7, 'a');
    expect(await first).toMatchObject({ ok: true });
    for (const id of [7, 3]) {
      const again = nextAnswer(socket, id);
      request(id, 'b');
      expect(await again).toMatchObject({ ok: false, error: { code: 'ERR_BACKBONE_PROTOCOL', path: 'id' } });
    }
    expect(await ignored(backbone, 'request-number')).toBe(2);
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', 'request session.ready a']);
  });

  test('has its bad events, unasked answers and unknown pongs ignored and counted', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    for (const frame of [
      { event: 'session.played', data: { sessionId: 's', epoch: 1, timestamp: -1, frames: 0 } },
      { event: 'toString', data: {} },
      { id: 99, ok: true, data: {} },
      { id: 99, ok: false, error: { code: 'ERR_INTERNAL', message: '', retryable: false } },
      { pong: 123_456 },
      { event: 'session.played', data: played('s') },
    ]) {
      socket.send(JSON.stringify(frame));
    }
    await backbone.handlers.until('event session.played s');
    expect(await ignored(backbone, 'event')).toBe(1);
    expect(await ignored(backbone, 'event-name')).toBe(1);
    expect(await ignored(backbone, 'answer')).toBe(2);
    expect(await ignored(backbone, 'pong')).toBe(1);
    expect(backbone.handlers.heard).toEqual(['opened pop-1 away', 'event session.played s']);
  });

  test('is closed when it goes on and on', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    for (let n = 0; n < 101; n++) socket.send(JSON.stringify({ event: 'session.played', data: n }));
    expect((await closed).code).toBe(4400);
    await stillServes(backbone);
  });

  test('may know events and requests that this core does not: they are ignored and counted, however many', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const answer = new Promise((resolve) => {
      socket.on('message', (data) => {
        const message = JSON.parse(data.toString());
        if (message.id === 300) resolve(message);
      });
    });
    for (let n = 0; n < 150; n++) socket.send(JSON.stringify({ event: 'session.dreamt', data: n }));
    for (let id = 2; id <= 300; id++) socket.send(JSON.stringify({ id, method: 'session.dream', data: {} }));
    expect(await answer).toMatchObject({ ok: false, error: { code: 'ERR_BACKBONE_PROTOCOL' } });
    expect([await ignored(backbone, 'event-name'), await ignored(backbone, 'method')]).toEqual([150, 299]);
    expect(socket.readyState).toBe(socket.OPEN);
  });
});

describe('a peer that floods', () => {
  test('is closed when it sends more frames in a second than the limit, and costs others nothing', async () => {
    const clock = new FakeClock();
    await using backbone = await Backbone.start({ clock, limits: { framesPerSecond: 50 } });
    const socket = await backbone.greeted();
    const closed = closing(socket);
    // The hello took one of the fifty.
    for (let n = 0; n < 49; n++) socket.send(JSON.stringify({ event: 'session.played', data: played('s') }));
    await backbone.handlers.until('event session.played s', 49);
    clock.advance(20);
    socket.send(JSON.stringify({ event: 'session.played', data: played('refilled') }));
    await backbone.handlers.until('event session.played refilled');
    socket.send(JSON.stringify({ event: 'session.played', data: played('too many') }));
    expect((await closed).code).toBe(4429);
    expect(await counted(backbone, 'flood')).toBe(1);
    expect(backbone.handlers.heard).not.toContain('event session.played too many');
    await stillServes(backbone);
  });

  test('is closed for WebSocket pings as for frames', async () => {
    const clock = new FakeClock();
    await using backbone = await Backbone.start({ clock, limits: { framesPerSecond: 50 } });
    const socket = await backbone.greeted();
    const closed = closing(socket);
    for (let n = 0; n < 51; n++) socket.ping();
    expect((await closed).code).toBe(4429);
  });

  test('with the standing limits and a hundred thousand frames leaves the process well', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.greeted();
    const closed = closing(socket);
    const text = JSON.stringify({ event: 'session.played', data: played('s') });
    for (let n = 0; n < 100_000 && socket.readyState === socket.OPEN; n++) {
      socket.send(text);
      if (n % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(await counted(backbone, 'flood')).toBe(1);
    await stillServes(backbone);
  }, 30_000);
});

describe('a peer that does not read', () => {
  test('is cut off when what waits for it passes the limit', async () => {
    await using backbone = await Backbone.start({ limits: { maxBufferedBytes: 100_000 } });
    const socket = await backbone.greeted();
    socket.pause();
    const peer = backbone.handlers.peers[0];
    const event = { type: 'custom' as const, name: 'noise', data: 'x'.repeat(100_000) };
    let sent = 0;
    while ((await counted(backbone, 'backpressure')) === 0 && sent < 1_000) {
      peer?.send('session.event', { sessionId: 's', epoch: 1, event });
      sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await counted(backbone, 'backpressure')).toBe(1);
    expect(backbone.handlers.heard.at(-1)).toBe('closed pop-1 ERR_BACKBONE_CLOSED');
    peer?.send('session.flush', flush('s'));
    const dropped = await metricValue(backbone.metrics, 'antipode_backbone_dropped_events_total', { side: 'core' });
    expect(dropped).toBeGreaterThan(0);
    await stillServes(backbone);
  });
});

describe('a stranger at the control port', () => {
  test('gets nowhere with garbage, or with nothing', async () => {
    await using backbone = await Backbone.start();
    const garbage = connect(backbone.server.port, '127.0.0.1');
    garbage.on('error', () => {});
    garbage.write('GET / HTTP/1.1\r\n\r\n');
    await once(garbage, 'close');
    const mute = connect(backbone.server.port, '127.0.0.1');
    await once(mute, 'connect');
    expect(
      await metricValue(backbone.metrics, 'antipode_backbone_refusals_total', { side: 'core', reason: 'tls' }),
    ).toBe(1);
    await stillServes(backbone);
    mute.destroy();
  });
});

describe('a core that misbehaves', () => {
  test('cannot hurt a POP: bad events are ignored and counted, good ones come through', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    const events: string[] = [];
    pop.on('event', (name, _data) => {
      events.push(name);
    });
    const peer = backbone.handlers.peers[0];
    const bad = { sessionId: 's', epoch: 1, beforeTimestamp: 'soon' } as unknown as ReturnType<typeof flush>;
    peer?.send('session.flush', bad);
    peer?.send('session.flush', flush('s'));
    await once(pop, 'event');
    expect(events).toEqual(['session.flush']);
    expect(
      await metricValue(backbone.metrics, 'antipode_backbone_ignored_frames_total', { side: 'pop', kind: 'event' }),
    ).toBe(1);
    expect(pop.up).toBe(true);
  });

  test('a listener that throws does not bring the channel down', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    pop.once('event', () => {
      throw new Error('a bad listener');
    });
    backbone.handlers.peers[0]?.send('session.flush', flush('s'));
    backbone.handlers.peers[0]?.send('session.flush', flush('t'));
    await once(pop, 'event');
    await pop.request('session.ready', ready('s'));
    expect(pop.up).toBe(true);
  });
});

async function nextAnswer(socket: WebSocket, id: number): Promise<Record<string, unknown>> {
  for (;;) {
    const message = await nextMessage(socket);
    if (message.id === id) return message;
  }
}
