import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Backbone, bareSocket, closing, flush, nextMessage, played, ready } from './support/control.ts';
import { metricValue } from './support/workers.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a control channel', () => {
  test('carries requests, answers and events both ways, and measures the round trip', async () => {
    await using backbone = await Backbone.start();
    const { handlers } = backbone;
    const pop = await backbone.dial();
    handlers.answer = async () => ({ downlink: { producerId: 'p', ssrc: 7 } });
    const uplink = { producerId: 'u', ssrc: 6 };
    const answer = await pop.request('session.repipe', { sessionId: 's', epoch: 2, pipeId: 'x', uplink });
    expect(answer).toEqual({ downlink: { producerId: 'p', ssrc: 7 } });
    pop.send('session.played', played('s'));
    await handlers.until('event session.played s');
    const event = once(pop, 'event');
    handlers.peers[0]?.send('session.flush', flush('s'));
    expect(await event).toEqual(['session.flush', flush('s')]);
    expect(handlers.heard).toEqual(['opened pop-1 away', 'request session.repipe s', 'event session.played s']);
    while (pop.rttMs() === null || handlers.peers[0]?.rttMs() === null) await turn();
    expect(pop.rttMs()).toBeGreaterThan(0);
    expect(pop.minRttMs()).toBeLessThanOrEqual(pop.rttMs() ?? 0);
    expect(pop.up).toBe(true);
    expect(backbone.server.peerCount).toBe(1);
  });

  test("hands on the core's own error code, and hides what is not ours", async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    backbone.handlers.answer = async () => {
      throw new AntipodeError('ERR_SESSION_LIMIT', 'No room.', { path: 'data.sessionId' });
    };
    await expect(pop.request('session.ready', ready('s'))).rejects.toMatchObject({
      code: 'ERR_SESSION_LIMIT',
      message: 'No room.',
      path: 'data.sessionId',
    });
    backbone.handlers.answer = () => {
      throw new Error('secret detail');
    };
    const failure = await pop.request('session.ready', ready('s')).catch((error) => error);
    expect(failure.code).toBe('ERR_INTERNAL');
    expect(failure.message).not.toContain('secret');
  });

  test('starts handlers in the order of the frames, however long each takes', async () => {
    await using backbone = await Backbone.start();
    const { handlers } = backbone;
    const pop = await backbone.dial();
    let finishFirst = () => {};
    handlers.answer = (_peer, _method, data) => {
      if ((data as { sessionId: string }).sessionId !== 'first') return Promise.resolve({});
      return new Promise((resolve) => {
        finishFirst = () => resolve({});
      });
    };
    const first = pop.request('session.ready', ready('first'));
    pop.send('session.played', played('a'));
    const second = pop.request('session.ready', ready('second'));
    pop.send('session.played', played('b'));
    await second;
    await handlers.until('event session.played b');
    finishFirst();
    await first;
    expect(handlers.heard.slice(1)).toEqual([
      'request session.ready first',
      'event session.played a',
      'request session.ready second',
      'event session.played b',
    ]);
  });

  test('lets the code that awaits an answer run before an event that followed it', async () => {
    await using backbone = await Backbone.start();
    const { handlers } = backbone;
    const pop = await backbone.dial();
    const known = new Set<string>();
    const strangers: string[] = [];
    let events = 0;
    pop.on('event', (_name, data) => {
      events += 1;
      if ('sessionId' in data && !known.has(data.sessionId)) strangers.push(data.sessionId);
    });
    handlers.answer = async (peer, _method, data) => {
      // Right behind the answer, so that both arrive in one read.
      const { sessionId } = data as { sessionId: string };
      queueMicrotask(() => process.nextTick(() => peer.send('session.flush', flush(sessionId))));
      return {};
    };
    const attach = async (sessionId: string) => {
      await (async () => (await pop.request('session.ready', ready(sessionId))) satisfies object)();
      known.add(sessionId);
    };
    await Promise.all(Array.from({ length: 200 }, (_, n) => attach(`s${n}`)));
    while (events < 200) await turn();
    expect(strangers.length).toBe(0);
  });

  test('gives up on an answer in time, and ignores and counts it when it comes late', async () => {
    await using backbone = await Backbone.start();
    const clock = new FakeClock();
    const pop = await backbone.dial({ clock, requestTimeoutMs: 700 });
    let answerLate = () => {};
    backbone.handlers.answer = () =>
      new Promise((resolve) => {
        answerLate = () => resolve({});
      });
    const asked = pop.request('session.ready', ready('s'));
    const failure = asked.catch((error) => error);
    await backbone.handlers.until('request session.ready s');
    clock.advance(699);
    clock.advance(1);
    expect(await failure).toMatchObject({ code: 'ERR_BACKBONE_TIMEOUT' });
    answerLate();
    backbone.handlers.answer = async () => ({});
    await pop.request('session.ready', ready('next'));
    expect(await ignored(backbone, 'pop', 'answer')).toBe(1);
  });

  test('lets go of a request when its signal aborts', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    backbone.handlers.answer = () => new Promise(() => {});
    const abort = new AbortController();
    const asked = pop.request('session.ready', ready('s'), { signal: abort.signal });
    abort.abort(new Error('never mind'));
    await expect(asked).rejects.toThrow('never mind');
    await expect(pop.request('session.ready', ready('s'), { signal: abort.signal })).rejects.toThrow('never mind');
  });

  test('refuses to send a frame that the other end would have to refuse, and stays up', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    const message = { type: 'custom' as const, name: 'big', data: 'x'.repeat(300_000) };
    expect(() => pop.send('session.message', { sessionId: 's', epoch: 1, message })).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_TOO_LARGE' }),
    );
    pop.send('session.message', { sessionId: 's', epoch: 1, message: { ...message, data: 'x'.repeat(200_000) } });
    await backbone.handlers.until('event session.message s');
    expect(pop.up).toBe(true);
  });

  test('refuses an answer of the wrong shape', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    backbone.handlers.answer = async () => ({ downlink: { producerId: 'p', ssrc: 'not a number' } });
    const uplink = { producerId: 'u', ssrc: 6 };
    await expect(
      pop.request('session.repipe', { sessionId: 's', epoch: 1, pipeId: 'x', uplink }),
    ).rejects.toMatchObject({ code: 'ERR_BACKBONE_PROTOCOL', path: 'data.downlink.ssrc' });
    expect(pop.up).toBe(true);
  });
});

describe('a control channel that is lost', () => {
  test('fails what waits, tells both ends, and comes back by itself', async () => {
    await using backbone = await Backbone.start();
    const { handlers } = backbone;
    const pop = await backbone.dial();
    handlers.answer = () => new Promise(() => {});
    const asked = pop.request('session.ready', ready('s')).catch((error) => error);
    await handlers.until('request session.ready s');
    const down = once(pop, 'down');
    const up = once(pop, 'up');
    handlers.peers[0]?.close('maintenance');
    const [reason] = await down;
    expect(reason).toMatchObject({ code: 'ERR_BACKBONE_CLOSED', message: expect.stringContaining('maintenance') });
    expect(await asked).toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    expect(pop.up).toBe(false);
    await expect(pop.request('session.ready', ready('s'))).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    pop.send('session.played', played('s'));
    expect(await metricValue(backbone.metrics, 'antipode_backbone_dropped_events_total', { side: 'pop' })).toBe(1);
    await up;
    expect(pop.up).toBe(true);
    handlers.answer = async () => ({});
    await pop.request('session.ready', ready('again'));
    expect(handlers.heard).toEqual([
      'opened pop-1 away',
      'request session.ready s',
      'closed pop-1 ERR_BACKBONE_CLOSED',
      'opened pop-1 away',
      'request session.ready again',
    ]);
  });

  test('is dialed again after at most 200, 400, 800 ms and so on up to 5 s, while the core is away', async () => {
    const backbone = await Backbone.start();
    const clock = new FakeClock();
    const pop = await backbone.dial({ clock });
    const down = once(pop, 'down');
    let refused = 0;
    pop.on('refused', () => refused++);
    await backbone.server.close();
    await down;
    const { port } = backbone.server;
    for (const waitMs of [200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      expect(clock.pendingCount).toBe(1);
      clock.advance(waitMs - 1);
      await turn();
      expect(clock.pendingCount).toBe(1);
      clock.advance(1);
      await failedAttempt(clock);
    }
    // Each time the machine answered that nobody listens.
    expect(refused).toBe(7);
    await using revived = await Backbone.start({ port }, backbone.ca);
    const up = once(pop, 'up');
    clock.advance(5_000);
    await up;
    expect(revived.server.peerCount).toBe(1);
    pop.close();
  });

  test('counts as lost when the peer is silent for two seconds', async () => {
    const clock = new FakeClock();
    await using backbone = await Backbone.start({ clock });
    await backbone.greeted('pop-mute');
    clock.advance(2_000);
    expect(backbone.handlers.heard).toEqual(['opened pop-mute away']);
    clock.advance(250);
    expect(backbone.handlers.heard).toEqual(['opened pop-mute away', 'closed pop-mute ERR_BACKBONE_TIMEOUT']);
    expect(await closes(backbone, 'core', 'heartbeat')).toBe(1);
  });

  test('close() is final at the POP, idempotent, and tells no down', async () => {
    await using backbone = await Backbone.start();
    const pop = await backbone.dial();
    let downs = 0;
    pop.on('down', () => {
      downs += 1;
    });
    pop.close();
    pop.close();
    await backbone.handlers.until('closed pop-1 ERR_BACKBONE_CLOSED');
    expect(downs).toBe(0);
    expect(pop.closed).toBe(true);
    await expect(pop.request('session.ready', ready('s'))).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
  });

  test('the core closing ends every channel with its reason and frees the port', async () => {
    const backbone = await Backbone.start();
    const pop = await backbone.dial();
    const down = once(pop, 'down');
    await Promise.all([backbone.server.close(), backbone.server.close()]);
    expect((await down)[0]).toMatchObject({ message: expect.stringContaining('shutting down') });
    pop.close();
    await using again = await Backbone.start({ port: backbone.server.port }, backbone.ca);
    expect(again.server.port).toBe(backbone.server.port);
  });
});

describe('a second connection of the same node', () => {
  test('replaces the first, which does not fight back', async () => {
    await using backbone = await Backbone.start();
    const first = await backbone.dial();
    const down = once(first, 'down');
    const second = await backbone.dial();
    expect((await down)[0]).toMatchObject({ code: 'ERR_SUPERSEDED' });
    await second.request('session.ready', ready('s'));
    expect(backbone.handlers.heard).toEqual([
      'opened pop-1 away',
      'closed pop-1 ERR_SUPERSEDED',
      'opened pop-1 away',
      'request session.ready s',
    ]);
    expect(first.closed).toBe(true);
    expect(second.up).toBe(true);
    expect(backbone.server.peerCount).toBe(1);
  });

  test('leaves other nodes alone', async () => {
    await using backbone = await Backbone.start();
    const one = await backbone.dial({ nodeId: 'pop-1' });
    const two = await backbone.dial({ nodeId: 'pop-2' });
    await Promise.all([one.request('session.ready', ready('a')), two.request('session.ready', ready('b'))]);
    expect(backbone.server.peerCount).toBe(2);
  });
});

describe('hello', () => {
  test.each([
    ['a later', { version: 3, minVersion: 2 }, '2 to 3'],
    ['an earlier', { version: 0 }, '0'],
  ])('of %s version is refused at both ends, with what each speaks', async (_which, versions, theirs) => {
    await using backbone = await Backbone.start();
    const socket = await backbone.bare();
    const closed = closing(socket);
    const answer = nextMessage(socket);
    socket.send(JSON.stringify({ id: 1, method: 'hello', data: { ...versions, nodeId: 'pop-1', region: 'away' } }));
    const words = `This core speaks backbone protocol 1, the POP ${theirs}.`;
    expect(await answer).toMatchObject({ id: 1, ok: false, error: { code: 'ERR_BACKBONE_VERSION', message: words } });
    expect(await closed).toEqual({ code: 4426, reason: words });
    expect(backbone.handlers.heard).toEqual([]);
    expect(
      await metricValue(backbone.metrics, 'antipode_backbone_refusals_total', { side: 'core', reason: 'version' }),
    ).toBe(1);
  });

  test('of a later POP that still speaks our version agrees on ours', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.bare();
    const answer = nextMessage(socket);
    const data = { version: 7, minVersion: 1, nodeId: 'pop-1', region: 'away', unheardOf: true };
    socket.send(JSON.stringify({ id: 1, method: 'hello', data }));
    expect(await answer).toMatchObject({ id: 1, ok: true, data: { version: 1 } });
  });

  test('must come first', async () => {
    await using backbone = await Backbone.start();
    const socket = await backbone.bare();
    const closed = closing(socket);
    socket.send(JSON.stringify({ id: 1, method: 'session.ready', data: ready('s') }));
    expect(await closed).toMatchObject({ code: 4400 });
    expect(backbone.handlers.heard).toEqual([]);
  });

  test('must come within five seconds', async () => {
    const clock = new FakeClock();
    await using backbone = await Backbone.start({ clock });
    const socket = await backbone.bare();
    const closed = closing(socket);
    clock.advance(4_999);
    expect(await closes(backbone, 'core', 'hello-timeout')).toBe(0);
    clock.advance(1);
    expect(await closed).toMatchObject({ code: 4408 });
  });

  test('is waited for no longer than a request by the POP', async () => {
    const clock = new FakeClock();
    await using backbone = await Backbone.start();
    const { createServer } = await import('node:net');
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const dialed = backbone.dial({ port, clock, requestTimeoutMs: 900 }).catch((error) => error);
    await once(mute, 'connection');
    clock.advance(900);
    expect(await dialed).toMatchObject({ code: 'ERR_BACKBONE_TIMEOUT' });
    expect(clock.pendingCount).toBe(0);
    mute.close();
  });

  test('fails at once when nobody listens', async () => {
    const backbone = await Backbone.start();
    await backbone.server.close();
    await expect(backbone.dial()).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
  });
});

describe('ControlServer.listen()', () => {
  test('names the port that is taken', async () => {
    await using backbone = await Backbone.start();
    const { port } = backbone.server;
    await expect(Backbone.start({ port })).rejects.toMatchObject({
      code: 'ERR_PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  test('is no web server', async () => {
    await using backbone = await Backbone.start();
    const identity = await backbone.ca.issue({ nodeId: 'pop-1', role: 'pop' });
    const { get } = await import('node:https');
    const status = await new Promise((resolve, reject) => {
      get(
        {
          host: '127.0.0.1',
          port: backbone.server.port,
          ca: identity.caPem,
          cert: identity.certPem,
          key: identity.keyPem,
          servername: 'core-1',
          agent: false,
        },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      ).once('error', reject);
    });
    expect(status).toBe(426);
  });

  test('waits for nobody who does not let go', async () => {
    const backbone = await Backbone.start();
    const socket = bareSocket(backbone.server.port, await backbone.ca.issue({ nodeId: 'pop-1', role: 'pop' }));
    await once(socket, 'open');
    socket.pause();
    await backbone.server.close();
    socket.terminate();
    expect(backbone.server.peerCount).toBe(0);
  });
});

/** The attempt that is under way fails and the next one is on the clock. */
async function failedAttempt(clock: FakeClock): Promise<void> {
  // The attempt's own deadline is one timer; when it has failed, the wait for the next is.
  await turn();
  for (let turns = 0; turns < 2_000; turns++) {
    const before = clock.pendingCount;
    await turn();
    if (before === 1 && clock.pendingCount === 1 && turns > 20) return;
  }
  throw new Error('the attempt did not end');
}

function closes(backbone: Backbone, side: string, reason: string): Promise<number> {
  return metricValue(backbone.metrics, 'antipode_backbone_channel_closes_total', { side, reason });
}

function ignored(backbone: Backbone, side: string, kind: string): Promise<number> {
  return metricValue(backbone.metrics, 'antipode_backbone_ignored_frames_total', { side, kind });
}
