import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DevelopmentCa, ensureDevelopmentCa, type NodeIdentity } from '../../src/backbone/index.ts';
import { peerIdentity } from '../../src/backbone/peer-identity.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Backbone, bareSocket, closing, hello, nextMessage, temporaryCa } from './support/control.ts';
import { metricValue } from './support/workers.ts';

describe('who may join a control channel', () => {
  let ca: DevelopmentCa;
  let foreignCa: DevelopmentCa;
  let backbone: Backbone;
  beforeAll(async () => {
    [ca, foreignCa] = await Promise.all([temporaryCa(), temporaryCa()]);
    backbone = await Backbone.start({}, ca);
  });
  afterAll(() => backbone?.[Symbol.asyncDispose]());

  const refusals = (reason: string) =>
    metricValue(backbone.metrics, 'antipode_backbone_refusals_total', { side: 'core', reason });

  /** What a bare socket with this certificate comes to: `open`, or the error. */
  async function outcome(identity: NodeIdentity, core = backbone): Promise<string> {
    const socket = bareSocket(core.server.port, identity);
    return new Promise((resolve) => {
      socket.once('open', () => {
        resolve('open');
        socket.terminate();
      });
      socket.once('error', (error) => resolve(error.message));
    });
  }

  test("a POP with our CA's certificate may", async () => {
    expect(await outcome(await ca.issue({ nodeId: 'pop-9', role: 'pop' }))).toBe('open');
  });

  test('a certificate of another CA is refused, whatever it says', async () => {
    const before = await refusals('tls');
    const forged = { ...(await foreignCa.issue({ nodeId: 'pop-1', role: 'pop' })), caPem: ca.caPem };
    expect(await outcome(forged)).not.toBe('open');
    expect(await refusals('tls')).toBe(before + 1);
    expect(backbone.handlers.heard).toEqual([]);
  });

  test('so is a certificate of our CA that has expired', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'antipode-pki-'));
    const fortyDaysAgo = new FakeClock(0, Date.now() - 40 * 24 * 3_600_000);
    const expired = await (await ensureDevelopmentCa(dir, { clock: fortyDaysAgo })).issue({ nodeId: 'a', role: 'pop' });
    const sameCa = await ensureDevelopmentCa(dir);
    await rm(dir, { recursive: true });
    expect(sameCa.caPem).toBe(expired.caPem);
    await using core = await Backbone.start({}, sameCa);
    expect(await outcome(await sameCa.issue({ nodeId: 'a', role: 'pop' }), core)).toBe('open');
    expect(await outcome(expired, core)).not.toBe('open');
    expect(await metricValue(core.metrics, 'antipode_backbone_refusals_total', { side: 'core', reason: 'tls' })).toBe(
      1,
    );
    expect(core.handlers.heard).toEqual([]);
  });

  test('so is somebody with no certificate', async () => {
    const before = await refusals('tls');
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: backbone.server.port,
      ca: ca.caPem,
      checkServerIdentity: () => undefined,
    });
    const [error] = await new Promise<Error[]>((resolve) => socket.once('error', (reason) => resolve([reason])));
    expect(error?.message).toMatch(/certificate required/);
    expect(await refusals('tls')).toBe(before + 1);
  });

  test('so is TLS below 1.3', async () => {
    const identity = await ca.issue({ nodeId: 'pop-1', role: 'pop' });
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: backbone.server.port,
      ca: ca.caPem,
      cert: identity.certPem,
      key: identity.keyPem,
      maxVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
    });
    const [error] = await new Promise<Error[]>((resolve) => socket.once('error', (reason) => resolve([reason])));
    expect(error?.message).toMatch(/version/i);
  });

  test('a core is no POP: refused in words', async () => {
    const before = await refusals('role');
    expect(await outcome(await ca.issue({ nodeId: 'core-2', role: 'core' }))).toMatch(/403/);
    expect(await refusals('role')).toBe(before + 1);
    const identity = { ...(await ca.issue({ nodeId: 'core-2', role: 'core' })) };
    await expect(backbone.dial({ identity })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  });

  test('a POP that says hello with another name than its own is refused', async () => {
    const socket = await backbone.bare('pop-7');
    const closed = closing(socket);
    const answer = nextMessage(socket);
    socket.send(JSON.stringify(hello('pop-8')));
    expect(await answer).toMatchObject({ ok: false, error: { code: 'ERR_FORBIDDEN' } });
    expect((await closed).code).toBe(4403);
    expect(await refusals('identity')).toBe(1);
  });

  test('a POP does not talk to a core that is not the one it looked for', async () => {
    await expect(backbone.dial({ expectNodeId: 'core-2' })).rejects.toMatchObject({
      code: 'ERR_FORBIDDEN',
      message: expect.stringContaining('core core-1'),
    });
  });

  test('nor to a POP in the place of a core', async () => {
    const impostor = await Backbone.start({ identity: await ca.issue({ nodeId: 'core-1', role: 'pop' }) }, ca);
    await expect(impostor.dial()).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    await impostor[Symbol.asyncDispose]();
  });

  test('nor to a core of another CA', async () => {
    const impostor = await Backbone.start({}, foreignCa);
    const identity = await ca.issue({ nodeId: 'pop-1', role: 'pop' });
    await expect(impostor.dial({ identity })).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
    expect(impostor.handlers.heard).toEqual([]);
    await impostor[Symbol.asyncDispose]();
  });
});

describe('peerIdentity', () => {
  test('reads role and node id from the one URI that is ours', () => {
    expect(peerIdentity('DNS:core-1, URI:antipode:core:core-1')).toEqual({ role: 'core', nodeId: 'core-1' });
    expect(peerIdentity('URI:https://example.com/, URI:antipode:pop:a.b_c-1')).toEqual({
      role: 'pop',
      nodeId: 'a.b_c-1',
    });
  });

  test.each([
    undefined,
    '',
    'DNS:core-1',
    'URI:antipode:admin:x',
    'URI:antipode:pop:',
    'URI:antipode:pop:a b',
    'DNS:"x, URI:antipode:pop:a, y"',
    'URI:antipode:pop:a, URI:antipode:core:a',
  ])('vouches for nobody: %s', (names) => {
    expect(peerIdentity(names)).toBeNull();
  });
});
