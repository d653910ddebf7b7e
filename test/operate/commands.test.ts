/** `antipode status` and `antipode sessions`, asked of a POP's real port and of a real Redis. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { LiveScreen } from '../../src/operate/live-screen.ts';
import { type SessionsOptions, sessionsCommand } from '../../src/operate/sessions-command.ts';
import { statusCommand } from '../../src/operate/status-command.ts';
import type { RedisRegistry } from '../../src/registry/index.ts';
import { openRedis } from '../registry/support.ts';
import { API_KEY, startPop } from '../signaling/support/pop.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord, popRecord, sessionRecord } from '../support/nodes.ts';
import { RedisServer, redisMissing } from '../support/redis-server.ts';

const NO_REGISTRY = configSchema.parse({});
const clock = systemClock;

class Page {
  text = '';
  write(more: string): void {
    this.text += more;
  }
}

class TerminalPage extends Page {
  readonly isTTY = true;
  readonly columns = 80;
  readonly rows = 10;
}

async function sessionsAt(options: Partial<SessionsOptions>): Promise<string> {
  const out = new Page();
  await sessionsCommand({ config: NO_REGISTRY, clock, ...options, out });
  return out.text;
}

describe('by a node', () => {
  test('antipode status tells what the POP knows, with the POP as its source', async () => {
    const pop = await startPop({ nodes: [coreRecord({ version: '0.1.0' }), popRecord({ version: '0.1.0' })] });
    const out = new Page();
    await statusCommand({ config: NO_REGISTRY, clock, url: pop.server.url, out });
    expect(out.text.split('\n')[0]).toBe('zone local, 2 nodes, 0 sessions at cores, as pop-1 tells it at 12:00:00');
    expect(out.text).toMatch(/\ncore-1 {2}core {2}local +0\/100 .* open .* echo, front-desk\n$/);
  });

  test('antipode status --json has the same as a document', async () => {
    const pop = await startPop({ nodes: [] });
    const out = new Page();
    await statusCommand({ config: NO_REGISTRY, clock, url: pop.server.url, json: true, out });
    expect(JSON.parse(out.text)).toMatchObject({
      version: 1,
      by: 'pop-1',
      nodes: [],
      troubles: [{ level: 'error', text: 'There is no POP: nobody can call.' }, { level: 'error' }],
    });
  });

  test('a server that is not there is said in words', async () => {
    await expect(
      statusCommand({ config: NO_REGISTRY, clock, url: 'http://127.0.0.1:1', out: new Page() }),
    ).rejects.toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1:1') });
    await expect(statusCommand({ config: NO_REGISTRY, clock, url: 'pop-1', out: new Page() })).rejects.toMatchObject({
      code: 'ERR_REQUEST_MALFORMED',
      path: 'url',
    });
  });

  test('antipode sessions needs an API key there, and tells metadata only when they are asked for', async () => {
    const pop = await startPop();
    const { sessionId } = await pop.create({ agent: 'echo', metadata: { caller: 'Erika Mustermann' } });
    const url = pop.server.url;
    await expect(sessionsAt({ url })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    await expect(sessionsAt({ url, key: 'not-a-key-of-this-pop' })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    const listed = await sessionsAt({ url, key: API_KEY });
    expect(listed).toContain(`${sessionId}  echo`);
    expect(listed).not.toContain('Mustermann');
    expect(await sessionsAt({ url, key: API_KEY, json: true })).not.toContain('Mustermann');
    expect(await sessionsAt({ url, key: API_KEY, full: true })).toContain('{"caller":"Erika Mustermann"}');
    expect(await sessionsAt({ url, key: API_KEY, node: 'core-9' })).toBe('No session.\n');
  });
});

describe.skipIf(redisMissing() !== null)('by the registry', () => {
  let server: RedisServer;
  let registry: RedisRegistry;
  let config: ReturnType<typeof configSchema.parse>;

  beforeAll(async () => {
    server = await RedisServer.start();
    registry = await openRedis({ url: server.url });
    config = configSchema.parse({ registry: { kind: 'redis', url: server.url } });
    await registry.announce(popRecord({ region: 'eu-central-1' }), 60_000);
    await registry.announce(coreRecord({ region: 'eu-central-1', load: { sessions: 7 } }), 60_000);
    await registry.announce(coreRecord({ nodeId: 'core-2' }), 1);
    for (let n = 0; n < 130; n++) {
      await registry.createSession(
        sessionRecord({
          sessionId: `s-${n}`,
          state: 'active',
          core: n % 2 === 0 ? 'core-1' : 'core-2',
          createdAt: new Date(Date.UTC(2026, 0, 1, 12, 0, n)).toISOString(),
          metadata: { caller: 'Erika Mustermann' },
        }),
      );
    }
  });
  afterAll(async () => {
    await registry?.close();
    await server?.[Symbol.asyncDispose]();
  });

  test('antipode status names nodes, and a core that vanished, without asking any node', async () => {
    const out = new Page();
    await statusCommand({ config, clock, out });
    const lines = out.text.split('\n');
    expect(lines[0]).toMatch(/^zone local, 2 nodes, 7 sessions at cores, as the registry tells it at /);
    expect(lines[1]).toMatch(/^error: core-2 \(core, local\) vanished \d+\.\d s ago, without sessions: /);
    expect(lines.map((line) => line.split(/ {2,}/).slice(0, 3))).toContainEqual(['pop-1', 'pop', 'eu-central-1']);
  });

  test('antipode sessions lists the oldest first, as many as asked, and says when there are more', async () => {
    const all = JSON.parse(await sessionsAt({ config, limit: 1_000, json: true }));
    expect(all).toMatchObject({ more: false, partial: false });
    expect(all.sessions.map(({ sessionId }: { sessionId: string }) => sessionId)).toEqual(
      Array.from({ length: 130 }, (_, n) => `s-${n}`),
    );
    const some = await sessionsAt({ config, node: 'core-2', limit: 20 });
    expect(some.trimEnd().split('\n')).toHaveLength(1 + 20 + 1);
    expect(some).toContain('There are more: --limit 20 was reached.');
    expect(some).not.toContain('core-1');
  });

  test('no metadata of callers leave the registry by it', async () => {
    expect(await sessionsAt({ config, limit: 1_000, json: true })).not.toContain('Mustermann');
    await expect(sessionsAt({ config, full: true })).rejects.toMatchObject({
      code: 'ERR_REQUEST_MALFORMED',
      path: 'full',
    });
    for (const limit of [0, 1.5, Number.NaN]) {
      await expect(sessionsAt({ config, limit })).rejects.toMatchObject({ path: 'limit' });
    }
  });
});

describe('in a terminal', () => {
  test('the picture is drawn again in its place, and stays when it ends', async () => {
    const pop = await startPop({ nodes: [popRecord({ version: '1.0.0' })] });
    const out = new TerminalPage();
    const time = new FakeClock();
    const ending = new AbortController();
    const following = statusCommand({
      ...{ config: NO_REGISTRY, clock: time, url: pop.server.url, out, colors: false },
      signal: ending.signal,
    });
    await drawn(out, 1);
    await pop.registry.announce(coreRecord({ nodeId: 'a-new-core', version: '1.0.0' }), 60_000);
    expect(out.text).not.toContain('a-new-core');
    time.advance(1_000);
    await drawn(out, 2);
    expect(out.text).toContain('a-new-core');
    await pop.close();
    time.advance(1_000);
    await drawn(out, 3);
    expect(out.text.slice(out.text.lastIndexOf('\u001b[H'))).toMatch(
      /error: No server answers at http:\/\/127\.0\.0\.1:\d+.* This is 1\.0 s old\./,
    );
    ending.abort();
    await following;
    const [, after] = out.text.split('\u001b[?1049l');
    expect(after).toContain('a-new-core');
    expect(time.pendingCount).toBe(0);
  });

  test('--json --watch is a line for each look, and one for each failure', async () => {
    const pop = await startPop({ nodes: [popRecord()] });
    const out = new Page();
    const time = new FakeClock();
    const ending = new AbortController();
    const watching = statusCommand({
      ...{ config: NO_REGISTRY, clock: time, url: pop.server.url, out, json: true, watch: true },
      signal: ending.signal,
    });
    const lines = async (count: number) => {
      while (out.text.split('\n').length - 1 < count) await new Promise((resolve) => setTimeout(resolve, 2));
      return out.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    };
    expect((await lines(1))[0].nodes).toMatchObject([{ nodeId: 'pop-1' }]);
    await pop.close();
    time.advance(1_000);
    expect((await lines(2))[1]).toEqual({ error: expect.stringContaining('No server answers at ') });
    ending.abort();
    await watching;
  });

  test('what is higher than the window is counted', () => {
    const out = new TerminalPage();
    using screen = new LiveScreen(out);
    screen.draw(Array.from({ length: 30 }, (_, n) => `line ${n}`));
    expect(out.text).toContain('line 7');
    expect(out.text).not.toContain('line 8');
    expect(out.text).toContain('… and 22 more lines');
  });
});

/** Resolves when there were so many pictures; the test's own timeout is the limit. */
async function drawn(out: Page, times: number): Promise<void> {
  while (out.text.split('\u001b[H').length - 1 < times) await new Promise((resolve) => setTimeout(resolve, 2));
}
