/** A core is killed under a page: the agent goes on where it was, the caller's words are heard, and the page says what happened. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePage } from '../../scripts/setup/page.mjs';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { openBrowser, record } from './support/browser.ts';
import { type RoleProcess, startRole } from './support/role-process.ts';
import { freePort } from './support/server.ts';
import { concat, levels, silence, speak } from './support/sound.ts';

/** Of the part of a count that is left when its core dies; what was on its way does not count. */
const REST_VOICED_SECONDS = 5;
const SAID = /^The agent’s machine was lost; another went on after ([\d.]+) (ms|s)$/;
/** An agent is to be back by then. */
const GAP_LIMIT_MS = 5_000;

describe.skipIf(redisMissing() !== null)('a POP and two cores as processes', () => {
  const stack = new AsyncDisposableStack();
  const cores = new Map<string, RoleProcess>();
  let pop: RoleProcess;
  let environment: Record<string, string>;
  let started = 0;

  beforeAll(async () => {
    await ensurePage();
    const stateDir = await mkdtemp(join(tmpdir(), 'antipode-core-killed-'));
    stack.defer(() => rm(stateDir, { recursive: true, force: true }));
    const redis = stack.use(await RedisServer.start());
    environment = {
      ANTIPODE_STATE_DIR: stateDir,
      ANTIPODE_REGISTRY: 'redis',
      ANTIPODE_REDIS_URL: redis.url,
    };
    pop = stack.use(
      await startRole('edge', 'pop-1', {
        ...environment,
        ANTIPODE_MEDIA_PORT: String(await freePort()),
        ANTIPODE_OPEN_AGENTS: '*',
      }),
    );
  });
  afterAll(() => stack.disposeAsync());

  /** Two cores that live and that the POP knows. */
  async function twoCores(): Promise<void> {
    for (const [nodeId, { process }] of cores) if (process.signalCode !== null) cores.delete(nodeId);
    while (cores.size < 2) {
      started += 1;
      const core = stack.use(await startRole('core', `core-${started}`, environment));
      cores.set(core.nodeId, core);
    }
    const known = async () => {
      const { nodes } = (await (await fetch(`${pop.url}/v1/world`)).json()) as { nodes: { nodeId: string }[] };
      return nodes.map(({ nodeId }) => nodeId);
    };
    await expect.poll(known, { timeout: 15_000 }).toEqual(expect.arrayContaining([...cores.keys()]));
  }

  /** The core by which the page says that its call runs. */
  async function coreOf(page: Page): Promise<RoleProcess> {
    const words = await page.locator('.station-core').innerText();
    return cores.get(/Core (core-\d+)/.exec(words)![1]!)!;
  }

  const linesOf = (page: Page, role: string) =>
    page.locator(`[data-testid=transcript] [data-role=${role}][data-final=true]`);

  /** The note about the lost core, and for how long the agent was not there, ms. */
  async function gapTold(page: Page): Promise<number> {
    const note = page.locator('[data-moment=moved] [data-reason=core-lost]');
    await note.waitFor({ timeout: 20_000 });
    const [, figure, unit] = SAID.exec(await note.innerText()) ?? [];
    expect(figure, await note.innerText()).toBeDefined();
    return Number(figure) * (unit === 's' ? 1_000 : 1);
  }

  test('the agent counts on when its core is killed in the middle, and the page tells it', async () => {
    await twoCores();
    await using caller = await openBrowser({ microphone: silence(120) });
    const { page } = caller;
    await page.goto(`${pop.url}/?agent=front-desk&autojoin=1`);
    await linesOf(page, 'agent').first().waitFor({ timeout: 40_000 });
    await page.getByTestId('message').fill('please count to thirty');
    await page.getByTestId('send').click();
    await linesOf(page, 'caller').last().waitFor({ timeout: 10_000 });
    const core = await coreOf(page);
    await page.waitForTimeout(5_000);
    core.process.kill('SIGKILL');

    const gapMs = await gapTold(page);
    expect(gapMs).toBeGreaterThan(0);
    expect(gapMs).toBeLessThan(GAP_LIMIT_MS);
    const recorder = await record(page);
    expect(await page.getByTestId('moment-status').innerText()).toMatch(SAID);
    // It cost the caller neither the line nor the sound.
    expect(await page.getByTestId('call-state').getAttribute('data-state')).toBe('connected');
    expect(await page.locator('[data-moment=came-back]').count()).toBe(0);
    expect(await page.locator('.station-core').innerText()).toContain('it runs on another one now');

    const answer = () => linesOf(page, 'agent').last().innerText();
    await expect.poll(answer, { timeout: 60_000 }).toMatch(/thirty/i);
    await page.waitForTimeout(1_500);
    const voicedSeconds = levels(await recorder.stop()).filter((level) => level > 150).length / 50;
    expect(voicedSeconds, 'said by the second core').toBeGreaterThan(REST_VOICED_SECONDS);
    expect(await page.locator('[data-interrupted=true]').count()).toBe(0);
    expect(caller.errors).toEqual([]);
  }, 180_000);

  test('a caller who speaks while the core is killed is heard to the end, and answered', async () => {
    await twoCores();
    const time = await speak('what time is it');
    await using caller = await openBrowser({ microphone: concat(silence(15), time, silence(60)) });
    const { page } = caller;
    await page.goto(`${pop.url}/?agent=front-desk&autojoin=1`);
    await linesOf(page, 'agent').first().waitFor({ timeout: 40_000 });
    const core = await coreOf(page);
    const before = await linesOf(page, 'agent').count();
    await page.locator('[data-testid=who-caller][data-speaking=true]').waitFor({ timeout: 40_000 });
    core.process.kill('SIGKILL');
    expect(await gapTold(page)).toBeLessThan(GAP_LIMIT_MS);
    await expect.poll(() => linesOf(page, 'agent').count(), { timeout: 30_000 }).toBeGreaterThan(before);
    // Words that the first core had heard half.
    expect(await linesOf(page, 'caller').last().innerText()).toMatch(/what time is it/i);
    expect(await linesOf(page, 'agent').last().innerText()).toMatch(/it is/i);
    expect(await page.getByTestId('call-state').getAttribute('data-state')).toBe('connected');
  }, 180_000);
});
