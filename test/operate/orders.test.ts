/** `antipode drain` and `antipode move`: orders by the registry or to a node, what is shown meanwhile, and exit codes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type Config, configSchema } from '../../src/config/index.ts';
import { type DrainCommandOptions, drainCommand } from '../../src/operate/drain-command.ts';
import { type MoveCommandOptions, moveCommand } from '../../src/operate/move-command.ts';
import { Announcer, type RedisRegistry } from '../../src/registry/index.ts';
import { popBaseUrl } from '../../src/signaling/index.ts';
import { silentLogger } from '../../src/telemetry/index.ts';
import { openRedis } from '../registry/support.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';

const KEY = 'a-key-of-the-orders-test';

class Page {
  text = '';
  write(more: string): void {
    this.text += more;
  }
  /** Resolves when it has this; the test's own timeout is the limit. */
  async has(words: string): Promise<void> {
    while (!this.text.includes(words)) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface Asked {
  method: string;
  path: string;
  key: string | undefined;
  body: unknown;
}

/** A node that answers what it is told, in order, the last again and again. */
class Node implements AsyncDisposable {
  readonly asked: Asked[] = [];
  answers: { status: number; body: object; location?: string }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let text = '';
      for await (const piece of request) text += piece;
      const { method = '', url: path = '', headers } = request;
      this.asked.push({ method, path, key: headers.authorization, body: text === '' ? null : JSON.parse(text) });
      const [next] = this.answers.length > 1 ? this.answers.splice(0, 1) : this.answers;
      response.writeHead(next!.status, { ...(next!.location && { location: next!.location }) });
      response.end(JSON.stringify(next!.body));
    });
  }

  static async start(): Promise<Node> {
    const node = new Node();
    await new Promise<void>((resolve) => node.#server.listen(0, '127.0.0.1', resolve));
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe.skipIf(redisMissing() !== null)('by the registry', () => {
  let server: RedisServer;
  let registry: RedisRegistry;
  let config: Config;
  let out: Page;

  beforeAll(async () => {
    server = await RedisServer.start();
    config = configSchema.parse({ registry: { kind: 'redis', url: server.url }, auth: { apiKeys: [KEY] } });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    server.cli('flushall');
    registry = await openRedis({ url: server.url });
    out = new Page();
  });
  afterEach(() => registry.close());

  const drain = (options: Partial<DrainCommandOptions> = {}) =>
    drainCommand({ config, clock: systemClock, node: 'core-1', out, ...options });
  const announce = (sessions: number, change = {}) =>
    registry.announce(coreRecord({ load: { sessions }, ...change }), 60_000);

  test('antipode drain gives the order, which the node hears, and does not wait', async () => {
    await announce(3);
    const orders: string[] = [];
    using _ = registry.orders.watch('core-1', (order) => void orders.push(order));
    expect(await drain()).toBe(0);
    await announce(3);
    expect(orders.at(-1)).toBe('drain');
    expect(await drain({ undo: true })).toBe(0);
    await announce(3);
    expect(orders.at(-1)).toBe('serve');
    expect(out.text).toBe('core-1 is ordered to drain.\ncore-1 is ordered to take sessions again.\n');
  });

  test('--wait tells how many sessions are left, and ends with 0 when there is none', async () => {
    let record = coreRecord({ load: { sessions: 3 } });
    const announcer = await Announcer.start({ registry, clock: systemClock, log: silentLogger, record: () => record });
    const draining = drain({ wait: true });
    await out.has('ordered to drain');
    for (const sessions of [3, 1, 0]) {
      record = coreRecord({ draining: true, load: { sessions } });
      await out.has(`${sessions} session${sessions === 1 ? ' is' : 's are'} left\n`);
    }
    expect(await draining).toBe(0);
    await announcer.close();
    expect(out.text).toMatch(/0 sessions are left\ncore-1 has no session any more, after \d+\.\d s\.\n$/);
  });

  test('--wait ends with 0 when the node left in good order, with 1 when it vanished, with 2 when time is over', async () => {
    await announce(2, { draining: true });
    const left = drain({ wait: true });
    await out.has('2 sessions are left');
    await registry.withdraw('core-1');
    expect(await left).toBe(0);

    out = new Page();
    await registry.announce(coreRecord({ draining: true, load: { sessions: 2 } }), 1_500);
    const vanished = drain({ wait: true });
    await out.has('2 sessions are left');
    expect(await vanished).toBe(1);
    expect(out.text).toContain('core-1 is gone');

    out = new Page();
    await announce(2, { draining: true });
    const giveUp = new AbortController();
    const waiting = drain({ wait: true, signal: giveUp.signal });
    await out.has('2 sessions are left');
    giveUp.abort();
    expect(await waiting).toBe(2);
    expect(out.text).toMatch(/2 sessions are left after \d\.\d s\. The order stands; --undo takes it back\.\n$/);
    expect(await drain({ wait: true, timeoutSeconds: 0.2 })).toBe(2);
  });

  test('a node that is not there is refused', async () => {
    await expect(drain({ node: 'core-9' })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  test('antipode move asks the POP that has the session, with the key', async () => {
    await using pop = await Node.start();
    pop.answers = [
      { status: 202, body: { from: 'core-1', to: 'core-2', epoch: 2, gapMs: 88, atTurnBoundary: true } },
      {
        status: 409,
        body: { error: { code: 'ERR_HANDOVER_REFUSED', message: 'No core is called "x".', retryable: true } },
      },
    ];
    await registry.announce(popRecord({ signalingUrl: pop.url.replace('http', 'ws') }), 60_000);
    await registry.createSession(sessionRecord({ state: 'active' }));
    const move = (options: Partial<MoveCommandOptions> = {}) =>
      moveCommand({ config, clock: systemClock, sessionId: 'session-1', popBaseUrl, out, ...options });
    await move({ to: 'core-2', withinMs: 100 });
    expect(out.text).toBe('session-1 went from core-1 to core-2, between turns; it was deaf for 88 ms.\n');
    expect(pop.asked).toEqual([
      {
        ...{ method: 'POST', path: '/v1/sessions/session-1/move', key: `Bearer ${KEY}` },
        body: { core: 'core-2', withinMs: 100 },
      },
    ]);
    await expect(move({ to: 'x' })).rejects.toMatchObject({
      code: 'ERR_HANDOVER_REFUSED',
      message: 'No core is called "x".',
    });
    await expect(move({ sessionId: 'nobody' })).rejects.toMatchObject({ code: 'ERR_SESSION_UNKNOWN' });
    await registry.updateSession('session-1', 1, { state: 'ended', end: { code: 'caller-left', reason: '' } });
    await expect(move()).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' });
    const keyless = configSchema.parse({ registry: { kind: 'redis', url: server.url } });
    await expect(move({ config: keyless })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });
});

describe('by a node', () => {
  const config = configSchema.parse({ auth: { apiKeys: [KEY] } });
  const state = (sessions: number, draining = true) => ({
    status: 200,
    body: { nodeId: 'core-1', draining, sessions },
  });
  let out: Page;
  beforeEach(() => {
    out = new Page();
  });

  test('antipode drain --url orders that node alone, and asks it until it is empty', async () => {
    await using node = await Node.start();
    node.answers = [state(2, false), state(2), state(1), state(0)];
    const clock = new FakeClock();
    const draining = drainCommand({ config, clock, node: 'core-1', url: node.url, wait: true, out });
    await out.has('2 sessions are left');
    clock.advance(1_000);
    await out.has('1 session is left');
    clock.advance(1_000);
    expect(await draining).toBe(0);
    expect(node.asked.map(({ method, key }) => `${method} ${key}`)).toEqual(
      ['GET', 'POST', 'GET', 'GET'].map((method) => `${method} Bearer ${KEY}`),
    );
    expect(clock.pendingCount).toBe(0);
  });

  test('another node at that address is not drained', async () => {
    await using node = await Node.start();
    node.answers = [state(2, false)];
    await expect(
      drainCommand({ config, clock: systemClock, node: 'core-2', url: node.url, out }),
    ).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(node.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  test('a POP that has not the session is believed, but the key does not follow', async () => {
    await using pop = await Node.start();
    await using other = await Node.start();
    pop.answers = [{ status: 307, body: {}, location: `${other.url}/v1/sessions/s/move` }];
    await expect(
      moveCommand({ config, clock: systemClock, sessionId: 's', url: pop.url, popBaseUrl, out }),
    ).rejects.toMatchObject({ message: expect.stringContaining(`${other.url} is to be asked: name it by --url.`) });
    expect(other.asked).toEqual([]);
  });
});
