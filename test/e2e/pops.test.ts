/**
 * The page in a real Chromium between POPs at different distances: real signaling servers that share a registry, one of
 * them a long way off. Media leads nowhere here; where the call runs is known before it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { configSchema } from '../../src/config/index.ts';
import { DEFAULT_POLICY, fixedPolicy } from '../../src/placement/index.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { SignalingServer } from '../../src/signaling/index.ts';
import { createMetrics, silentLogger } from '../../src/telemetry/index.ts';
import { FakeEdge } from '../signaling/support/fake-edge.ts';
import { coreRecord, popRecord } from '../support/nodes.ts';
import { TcpLink } from '../wan/tcp-link.ts';
import { OFFERED_WITHOUT_MEDIA } from '../web/fake-media.ts';
import { CHROMIUM, CHROMIUM_FLAGS } from './support/browser.ts';
import { freePort, ROOT } from './support/server.ts';

const run = promisify(execFile);
const LEASE_MS = 1e9;
/** Each way, of the POP whose page it is. */
const FAR_MS = 40;
let pageDir: string;
let browser: Browser;
const toClose: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  pageDir = await mkdtemp(join(tmpdir(), 'antipode-page-'));
  // In a process of its own: with vitest's NODE_ENV it would be a development build.
  const { NODE_ENV: _ignored, ...env } = process.env;
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  await run(process.execPath, [vite, 'build', 'web', '--outDir', pageDir, '--emptyOutDir'], { cwd: ROOT, env });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
});
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});
afterAll(async () => {
  await browser.close();
  await rm(pageDir, { recursive: true });
});

interface PopOptions {
  nodeId: string;
  region: string;
  registry: MemoryRegistry;
  publicUrl?: string;
}

async function startPop({ nodeId, region, registry, publicUrl }: PopOptions): Promise<SignalingServer> {
  const server = await SignalingServer.start({
    config: configSchema.parse({
      http: { host: 'localhost', port: 0, publicUrl: publicUrl ?? null },
      auth: { openAgents: ['*'] },
    }),
    ...{ nodeId, region, registry, pageDir, clock: systemClock, log: silentLogger },
    edge: silentEdge(),
    policy: fixedPolicy(DEFAULT_POLICY, systemClock),
    endpoints: () => [],
    metrics: createMetrics({ processMetrics: false }),
    tokenSecret: new TextEncoder().encode('a secret of the tests, longer than 32 bytes'),
    readiness: async () => ({ ok: true, parts: {} }),
  });
  await registry.announce(popRecord({ nodeId, region, signalingUrl: server.url }), LEASE_MS);
  toClose.push(() => server.close({ code: 'node-shutdown', reason: 'The test is over.' }));
  return server;
}

/** Offers transports that a browser takes and that lead nowhere: the call goes on being set up. */
function silentEdge(): FakeEdge {
  const edge = new FakeEdge();
  Object.assign(edge.routerRtpCapabilities.codecs[0]!, { preferredPayloadType: 100 });
  edge.prepare = (call) => {
    const receiving = { ...OFFERED_WITHOUT_MEDIA, transportId: 't-2' };
    Object.assign(call, {
      offer: () => ({ sendTransport: OFFERED_WITHOUT_MEDIA, recvTransport: receiving }),
      consume: () => new Promise(() => undefined),
    });
  };
  return edge;
}

/** A page that comes from Sydney, far from its caller, with another POP near by if there is one. */
async function deployment({ near: withNear }: { near: boolean }) {
  const registry = new MemoryRegistry({ clock: systemClock });
  await registry.announce(coreRecord({ region: 'us-east-1' }), LEASE_MS);
  const port = await freePort();
  const far = await startPop({
    ...{ nodeId: 'pop-syd', region: 'ap-southeast-2', registry, publicUrl: `http://localhost:${port}` },
  });
  const link = await TcpLink.open({
    listen: { host: 'localhost', port },
    server: { host: 'localhost', port: far.port },
    path: { delayMs: FAR_MS },
    clock: systemClock,
  });
  toClose.push(() => link[Symbol.asyncDispose]());
  const near = withNear ? await startPop({ nodeId: 'pop-iad', region: 'us-east-1', registry }) : null;
  // Each has read the registry since both are in it.
  for (const pop of [far, near]) if (pop) await (await fetch(`http://localhost:${pop.port}/v1/pops`)).json();
  return { far, near };
}

async function visit(url: string) {
  const context: BrowserContext = await browser.newContext({ permissions: ['microphone'] });
  toClose.push(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  const probed: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/v1/probe')) probed.push(request.url());
  });
  await page.goto(url);
  return { page, errors, probed };
}

const measured = (page: Page) => page.waitForFunction(() => sessionStorage.getItem('antipode.probes') !== null);

describe('a page with two POPs', () => {
  test('measures both, calls by the near one, and shows what decided', async () => {
    const { far, near } = await deployment({ near: true });
    const { page, errors, probed } = await visit(far.url);
    await measured(page);
    expect(probed).toHaveLength(6);
    // The browser tells the times of requests to another origin as well.
    const hidden = await page.evaluate(
      () =>
        performance.getEntriesByType('resource').filter((entry) => {
          const { name, requestStart } = entry as PerformanceResourceTiming;
          return name.includes('/v1/probe') && requestStart === 0;
        }).length,
    );
    expect(hidden).toBe(0);
    await page.getByTestId('join').click();
    const note = page.getByTestId('probes');
    await note.waitFor();
    expect([far.sessionCount, near!.sessionCount]).toEqual([0, 1]);
    expect(await note.innerText()).toContain('measured 2 points of presence: these figures decided');
    const rtt = async (pop: string) =>
      Number.parseFloat((await note.locator(`[data-pop=${pop}] .figures`).innerText()).replace('under', '0'));
    const farMs = await rtt('pop-syd');
    expect(farMs).toBeGreaterThanOrEqual(2 * FAR_MS - 1);
    // Connecting, another round trip and more, is not in it.
    expect(farMs).toBeLessThan(3.5 * FAR_MS);
    expect(await rtt('pop-iad')).toBeLessThan(FAR_MS);
    expect(await note.locator('[data-chosen]').getAttribute('data-pop')).toBe('pop-iad');
    const part = page.locator('[data-testid=prediction] tr[data-part=callerPop]');
    expect(await part.innerText()).toContain('by measurement');
    expect(await page.locator('.station-pop').innerText()).toContain('us-east-1');
    expect(probed).toHaveLength(6);
    expect(errors).toEqual([]);
  });

  test('calls by its own when the near one has gone since it was measured', async () => {
    const { far, near } = await deployment({ near: true });
    const { page } = await visit(far.url);
    await measured(page);
    await near!.close({ code: 'node-shutdown', reason: 'Gone.' });
    await page.getByTestId('join').click();
    await page.getByTestId('placement').waitFor();
    expect(far.sessionCount).toBe(1);
    expect(await page.locator('.station-pop').innerText()).toContain('ap-southeast-2');
  });
});

test('a page with one POP measures nothing', async () => {
  const { far } = await deployment({ near: false });
  const { page, probed } = await visit(far.url);
  await measured(page);
  await page.getByTestId('join').click();
  await page.getByTestId('placement').waitFor();
  expect(probed).toEqual([]);
  expect(await page.getByTestId('probes').count()).toBe(0);
});
