import { connect } from 'node:net';
import { base64url, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Pop, SECRET, settle, startPop, until } from './support/pop.ts';
import type { TestClient } from './support/test-client.ts';

/** Each test here is done to a POP with a call on it, which must notice nothing. */
let pop: Pop;
let bystander: Awaited<ReturnType<Pop['joined']>>;

async function begin(config: Parameters<typeof startPop>[0] = {}) {
  pop = await startPop(config);
  bystander = await pop.joined();
}

beforeEach(() => begin());
afterEach(async () => {
  expect((await bystander.client.request('ping')).ok).toBe(true);
  expect(bystander.call.asked).toEqual([]);
});

function sign(claims: Record<string, unknown>, options: { secret?: Uint8Array; audience?: string; exp?: number } = {}) {
  const now = Math.floor(pop.clock.date().getTime() / 1_000);
  return new SignJWT({ room: 'r', grants: ['speak'], residency: null, jti: 'j', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('antipode')
    .setAudience(options.audience ?? 'antipode:join')
    .setSubject((claims.sub as string | undefined) ?? 'nobody')
    .setExpirationTime(options.exp ?? now + 60)
    .sign(options.secret ?? SECRET);
}

async function refusedJoin(token: string): Promise<{ code: string | undefined; closeCode: number }> {
  const client = await pop.client();
  const frame = await client.request('join', { version: 1, token });
  return { code: frame.error?.code, closeCode: (await client.closed).code };
}

async function countedErrors(code: string): Promise<number> {
  return pop.metric('antipode_signaling_errors_total', { code });
}

describe('a join token', () => {
  it('is refused a second time, also when its session still waits', async () => {
    expect(await refusedJoin(bystander.session.token)).toEqual({ code: 'ERR_TOKEN_REPLAYED', closeCode: 4002 });
    expect(await countedErrors('ERR_TOKEN_REPLAYED')).toBe(1);
  });

  it('is refused when two sockets show it at the same time: one gets in', async () => {
    const { token } = await pop.create();
    const clients = await Promise.all([pop.client(), pop.client()]);
    const frames = await Promise.all(clients.map((client) => client.request('join', { version: 1, token })));
    expect(frames.map((frame) => frame.error?.code ?? 'in').sort()).toEqual(['ERR_TOKEN_REPLAYED', 'in']);
  });

  it('is refused when expired', async () => {
    const { sessionId, room } = await pop.create();
    const exp = Math.floor(pop.clock.date().getTime() / 1_000) - 1;
    expect(await refusedJoin(await sign({ sub: sessionId, room }, { exp }))).toEqual({
      code: 'ERR_TOKEN_EXPIRED',
      closeCode: 4002,
    });
  });

  it.each([
    ['signed with another secret', () => sign({}, { secret: new Uint8Array(32).fill(7) })],
    ['for another audience', () => sign({}, { audience: 'somebody else' })],
    ['that lacks a claim', () => sign({ room: undefined })],
    ['with grants that do not exist', () => sign({ grants: ['everything'] })],
    ['that is not a token', async () => 'abc.def.ghi'],
    ['that is text', async () => 'let me in'],
    [
      'with alg none',
      async () => {
        const part = (value: object) => base64url.encode(JSON.stringify(value));
        const payload = { iss: 'antipode', aud: 'antipode:join', sub: 's', room: 'r', grants: [], residency: null };
        return `${part({ alg: 'none' })}.${part({ ...payload, jti: 'j', exp: 4_000_000_000 })}.`;
      },
    ],
  ])('is refused when it is one %s', async (_name, make) => {
    expect(await refusedJoin(await make())).toEqual({ code: 'ERR_TOKEN_INVALID', closeCode: 4002 });
    expect(await countedErrors('ERR_TOKEN_INVALID')).toBe(1);
  });

  it('is refused when it is a resume token, and the other way round', async () => {
    expect((await refusedJoin(bystander.answer.resumeToken)).code).toBe('ERR_TOKEN_INVALID');
    const { token } = await pop.create();
    const client = await pop.client();
    expect((await client.resume(token)).error?.code).toBe('ERR_TOKEN_INVALID');
    expect((await client.closed).code).toBe(4002);
  });

  it('is refused when its session does not exist, or is of another room', async () => {
    expect(await refusedJoin(await sign({ sub: 's-none' }))).toEqual({ code: 'ERR_SESSION_UNKNOWN', closeCode: 4000 });
    const { sessionId } = await pop.create();
    expect((await refusedJoin(await sign({ sub: sessionId, room: 'another' }))).code).toBe('ERR_TOKEN_INVALID');
  });

  it('opens only what it grants', async () => {
    const { sessionId, room } = await pop.create();
    const client = await pop.client();
    await client.join(await sign({ sub: sessionId, room, grants: ['listen'], jti: 'other' }));
    const frame = await client.request('message', { type: 'text', text: 'hello' });
    expect(frame.error?.code).toBe('ERR_FORBIDDEN');
    expect((await client.request('ping')).ok).toBe(true);
  });
});

describe('before joining', () => {
  it.each([
    ['text that is not JSON', 'hello', 'ERR_PROTOCOL_MALFORMED'],
    ['a frame without an id', '{"method":"ping","data":{}}', 'ERR_PROTOCOL_MALFORMED'],
    ['an unknown method', '{"id":1,"method":"__proto__","data":{}}', 'ERR_PROTOCOL_METHOD'],
    ['a request that comes later', '{"id":1,"method":"ping","data":{}}', 'ERR_PROTOCOL_ORDER'],
    ['a join without a token', '{"id":1,"method":"join","data":{"version":1}}', 'ERR_PROTOCOL_MALFORMED'],
    [
      'a version that we do not speak',
      '{"id":1,"method":"join","data":{"version":9,"token":"x"}}',
      'ERR_PROTOCOL_VERSION',
    ],
    ['JSON that nests too deep', '['.repeat(2_000), 'ERR_PROTOCOL_MALFORMED'],
  ])('%s is answered with its code and closes with 4001', async (_name, text, code) => {
    const client = await pop.client();
    client.ws.send(text);
    expect((await client.error()).error?.code).toBe(code);
    expect((await client.closed).code).toBe(4001);
    expect(await countedErrors(code)).toBe(1);
  });

  it('a binary frame closes with 4001', async () => {
    const client = await pop.client();
    client.ws.send(Buffer.from([1, 2, 3]));
    expect((await client.error()).error?.code).toBe('ERR_PROTOCOL_MALFORMED');
    expect((await client.closed).code).toBe(4001);
  });

  it('a client that never speaks is closed with 4003 after joinTimeoutMs', async () => {
    const client = await pop.client();
    await settle();
    await pop.pass(4_999);
    expect(client.frames).toEqual([]);
    await pop.pass(1);
    expect((await client.error()).error?.code).toBe('ERR_PROTOCOL_JOIN_TIMEOUT');
    expect((await client.closed).code).toBe(4003);
  });

  it('a request that does not wait for the answer to join closes with 4001, and the session is over', async () => {
    const { token, sessionId } = await pop.create();
    const client = await pop.client();
    client.ws.send(JSON.stringify({ id: 1, method: 'join', data: { version: 1, token } }));
    client.ws.send(JSON.stringify({ id: 2, method: 'ping', data: {} }));
    expect((await client.closed).code).toBe(4001);
    await until(() => pop.server.sessionCount === 1);
    expect((await pop.registry.session(sessionId))?.end?.code).toBe('caller-lost');
  });
});

describe('once joined', () => {
  let client: TestClient;
  let call: Awaited<ReturnType<Pop['joined']>>['call'];
  beforeEach(async () => {
    ({ client, call } = await pop.joined());
  });
  const fingerprint = { algorithm: 'sha-256', value: 'AB:CD' };
  const codec = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48_000, channels: 2 };

  it.each([
    ['an unknown method', 'dance', {}, 'ERR_PROTOCOL_METHOD', 'method'],
    ['a second join', 'join', { version: 1, token: 'x' }, 'ERR_PROTOCOL_ORDER', undefined],
    [
      'a resume on the same socket',
      'resume',
      { version: 1, resumeToken: 'x', keepMedia: true },
      'ERR_PROTOCOL_ORDER',
      undefined,
    ],
    ['data of the wrong shape', 'restartIce', { transportId: 7 }, 'ERR_PROTOCOL_MALFORMED', 'data.transportId'],
    ['an empty message', 'message', { type: 'text', text: '' }, 'ERR_PROTOCOL_MALFORMED', 'data.text'],
    [
      'DTLS parameters without a fingerprint',
      'connectTransport',
      { transportId: 't', dtlsParameters: { fingerprints: [] } },
      'ERR_MEDIA_PARAMETERS',
      'data.dtlsParameters.fingerprints',
    ],
    [
      'a fingerprint that is none',
      'connectTransport',
      { transportId: 't', dtlsParameters: { fingerprints: [{ ...fingerprint, value: 'zz' }] } },
      'ERR_MEDIA_PARAMETERS',
      'data.dtlsParameters.fingerprints.0.value',
    ],
    [
      'RTP parameters with a payload type that can not be',
      'produce',
      { transportId: 't', kind: 'audio', rtpParameters: { codecs: [{ ...codec, payloadType: 300 }] } },
      'ERR_MEDIA_PARAMETERS',
      'data.rtpParameters.codecs.0.payloadType',
    ],
    [
      'a video track outside a room',
      'produce',
      { transportId: 't', kind: 'video', rtpParameters: { codecs: [codec] } },
      'ERR_MEDIA_STATE',
      'data.kind',
    ],
    [
      'capabilities without codecs',
      'consume',
      { transportId: 't', rtpCapabilities: { codecs: [] } },
      'ERR_MEDIA_PARAMETERS',
      'data.rtpCapabilities.codecs',
    ],
  ])('%s is refused with its code and path, and the socket survives', async (_name, method, data, code, path) => {
    const frame = await client.request(method, data);
    expect(frame.error?.code).toBe(code);
    expect(frame.error?.path).toBe(path);
    expect(call.asked).toEqual([]);
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('producing twice is refused by the edge with its own code', async () => {
    const data = { transportId: 't', kind: 'audio', rtpParameters: { codecs: [codec] } };
    expect((await client.request('produce', data)).ok).toBe(true);
    expect((await client.request('produce', data)).error?.code).toBe('ERR_MEDIA_STATE');
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('malformed frames close with 4001 after ten strikes, and the session can be resumed', async () => {
    for (let strike = 0; strike < 10; strike++) client.ws.send('{');
    expect((await client.request('ping')).ok).toBe(true);
    client.ws.send('{');
    expect((await client.closed).code).toBe(4001);
    expect(await countedErrors('ERR_PROTOCOL_MALFORMED')).toBe(11);
    expect(call.asked).toEqual(['caller disconnected']);
  });

  it('strikes are forgotten after half a minute of good conduct', async () => {
    for (let round = 0; round < 2; round++) {
      for (let strike = 0; strike < 10; strike++) client.ws.send('{');
      expect((await client.request('ping')).ok).toBe(true);
      for (let step = 0; step < 13; step++) await pop.pass(2_500);
    }
    expect((await client.request('ping')).ok).toBe(true);
  });

  it('a frame that is too long is refused, one that is far too long closes the connection', async () => {
    const long = (length: number) => JSON.stringify({ id: 9, method: 'message', data: { text: 'x'.repeat(length) } });
    client.ws.send(long(65_536));
    expect((await client.error()).error?.code).toBe('ERR_REQUEST_TOO_LARGE');
    expect((await client.request('ping')).ok).toBe(true);
    client.ws.send(long(4 * 65_536));
    expect((await client.closed).code).toBe(1009);
    expect(await countedErrors('ERR_REQUEST_TOO_LARGE')).toBe(2);
  });

  it('a flood closes with 4004, whatever it consists of', async () => {
    for (let n = 0; n < 101; n++) client.ws.send('{"id":1,"method":"ping","data":{}}');
    expect((await client.closed).code).toBe(4004);
    expect(client.frames.at(-1)?.error?.code).toBe('ERR_PROTOCOL_FLOOD');
    expect(call.asked).toEqual(['caller disconnected']);

    const pinging = await pop.joined();
    for (let n = 0; n < 101; n++) {
      pinging.client.ws.ping();
      // A burst of pings in one packet is cut by ws itself; spread, they are counted like messages.
      await Promise.race([new Promise((resolve) => pinging.client.ws.once('pong', resolve)), pinging.client.closed]);
    }
    expect((await pinging.client.closed).code).toBe(4004);
    expect(await countedErrors('ERR_PROTOCOL_FLOOD')).toBe(2);
  });

  it('a client that reads nothing is cut off before it fills our memory', async () => {
    client.ws.pause();
    const text = 'x'.repeat(16_000);
    // More than the kernel's own buffers of a loopback connection hold.
    for (let n = 0; n < 1_000 && call.asked.length === 0; n++) {
      call.say(text, `${n}`);
      if (n % 50 === 0) await settle();
    }
    expect(call.asked).toEqual(['caller disconnected']);
    expect(await pop.metric('antipode_signaling_sockets_closed_total', { reason: 'slow' })).toBe(0);
    client.ws.terminate();
    await until(() => pop.server.socketCount === 1);
    expect(await pop.metric('antipode_signaling_sockets_closed_total', { reason: 'slow' })).toBe(1);
  });
});

describe('opening sockets', () => {
  it('is limited per address with an HTTP answer that carries the code', async () => {
    await begin({ config: { limits: { maxSocketsPerAddress: 2 } } });
    const second = await pop.client();
    await expect(pop.client()).rejects.toThrow('429');
    expect(await countedErrors('ERR_RATE_LIMITED')).toBe(1);
    second.ws.terminate();
    await until(() => pop.server.socketCount === 1);
    await pop.client();
  });

  it('elsewhere than at the signaling path is refused with 404', async () => {
    const answer = await upgrade('/v1/elsewhere');
    expect(answer).toContain('HTTP/1.1 404 Not Found');
    expect(answer).toContain('ERR_NOT_FOUND');
  });

  it('with a broken handshake costs nobody anything', async () => {
    expect(await upgrade('/v1/signaling', 'Sec-WebSocket-Version: 99')).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  it('and resetting the connection in the middle of it costs nobody anything', async () => {
    for (let n = 0; n < 20; n++) {
      const port = Number(new URL(pop.server.url).port);
      const socket = connect(port, '127.0.0.1', () => {
        socket.write('GET /v1/signaling HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.resetAndDestroy();
      });
      socket.on('error', () => undefined);
    }
    await settle();
  });
});

function upgrade(path: string, ...extra: string[]): Promise<string> {
  const { port } = new URL(pop.server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    const lines = [`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', ...extra];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
}
