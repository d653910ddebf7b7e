/** A POP is killed in the middle of a call: the page comes back by another one, and the agent goes on where it was. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisServer, redisMissing } from '../support/redis-server.ts';
import { antipodeCall, COUNT } from './support/antipode-call.ts';
import { openBrowser, record } from './support/browser.ts';
import { type RoleProcess, startRole } from './support/role-process.ts';
import { freePort } from './support/server.ts';
import { concat, levels, silence, speak } from './support/sound.ts';

const SESSIONS_ADOPTED = 'antipode_core_sessions_adopted_total';
const FRAMES_AGAIN = 'antipode_core_mouth_frames_again_total';
/** Of the greeting and the count, when nobody disturbs them. A machine that is short of time stretches it. */
const VOICED_SECONDS = 19;
/** An agent speaks for so long on to a POP that is gone. */
const SPOKEN_ON_SECONDS = 0.3;
/** Callers are to speak again by then. */
const BACK_WITHIN_MS = 3_000;

function voicedSeconds(pcm: Int16Array): number {
  return levels(pcm).filter((level) => level > 150).length / 50;
}

/** PCM 16 bit, mono, 48 kHz, as `antipode call` records it; every third sample of it. */
function decodeWav48(wav: Buffer): Int16Array {
  expect(wav.readUInt32LE(24)).toBe(48_000);
  return Int16Array.from({ length: Math.floor((wav.length - 44) / 6) }, (_, at) => wav.readInt16LE(44 + at * 6));
}

describe.skipIf(redisMissing() !== null)('two POPs and a core as processes', () => {
  const stack = new AsyncDisposableStack();
  let pops = 0;
  let core: RoleProcess;
  let environment: Record<string, string>;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'antipode-pop-killed-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const redis = stack.use(await RedisServer.start());
    environment = {
      ANTIPODE_STATE_DIR: join(folder, 'state'),
      ANTIPODE_REGISTRY: 'redis',
      ANTIPODE_REDIS_URL: redis.url,
    };
    core = stack.use(await startRole('core', 'core-1', environment));
  });
  afterAll(() => stack.disposeAsync());

  /** Each with a name of its own, also when a test is tried again. */
  async function startPop(region: string): Promise<RoleProcess> {
    pops += 1;
    const nodeId = `pop-${pops}`;
    return startRole('edge', nodeId, {
      ...environment,
      ANTIPODE_REGION: region,
      ANTIPODE_MEDIA_PORT: String(await freePort()),
      ANTIPODE_OPEN_AGENTS: '*',
    });
  }

  /** Resolves when `pop` knows all of `nodeIds`. */
  async function knows({ url }: RoleProcess, ...nodeIds: string[]): Promise<void> {
    const known = async () => {
      const { nodes } = (await (await fetch(`${url}/v1/world`)).json()) as { nodes: { nodeId: string }[] };
      return nodes.map(({ nodeId }) => nodeId);
    };
    await expect.poll(known, { timeout: 10_000 }).toEqual(expect.arrayContaining(nodeIds));
  }

  async function metric(url: string, name: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(name));
    return line === undefined ? 0 : Number(line.split(' ').at(-1));
  }

  const lastOf = (page: Page, role: string) =>
    page.locator(`[data-testid=transcript] [data-role=${role}][data-final=true]`).last();

  test('a killed POP costs the caller in a browser a moment, and the conversation goes on', async () => {
    await using first = await startPop('eu-central-1');
    await using second = await startPop('us-east-1');
    await knows(first, second.nodeId, 'core-1');
    await knows(second, first.nodeId, 'core-1');
    const time = await speak('what time is it');
    await using caller = await openBrowser({ microphone: concat(silence(60), time, silence(30)) });
    const { page } = caller;
    const adoptedBefore = await metric(core.url, SESSIONS_ADOPTED);
    await page.goto(`${first.url}/?agent=front-desk&autojoin=1`);
    await lastOf(page, 'agent').waitFor({ timeout: 40_000 });
    await page.getByTestId('message').fill('please count to thirty');
    await page.getByTestId('send').click();
    await lastOf(page, 'caller').waitFor({ timeout: 10_000 });
    await page.waitForTimeout(5_000);
    first.process.kill('SIGKILL');
    const killedAtMs = performance.now();

    const back = page.locator('[data-moment=came-back]');
    await back.waitFor({ timeout: 15_000 });
    expect(performance.now() - killedAtMs).toBeLessThan(BACK_WITHIN_MS);
    expect(await back.innerText()).toMatch(/^You came back by us-east-1 after [\d.]+ m?s$/);
    const recorder = await record(page);

    // The count goes on to its end, and nobody cut it off.
    const answer = () => lastOf(page, 'agent').innerText();
    await expect.poll(answer, { timeout: 60_000 }).toMatch(/thirty/i);
    await page.waitForTimeout(1_500);
    expect(voicedSeconds(await recorder.stop()), 'heard by the second POP').toBeGreaterThan(5);
    expect(await page.locator('[data-interrupted=true]').count()).toBe(0);

    // The caller is heard there too, in the same conversation. What was understood is not at stake.
    const lines = page.locator('[data-testid=transcript] [data-role=agent][data-final=true]');
    const before = await lines.count();
    await expect.poll(() => lines.count(), { timeout: 60_000 }).toBeGreaterThan(before);
    expect(await page.locator('[data-testid=transcript]').innerText()).toContain('please count to thirty');
    expect((await metric(core.url, SESSIONS_ADOPTED)) - adoptedBefore).toBe(1);
  }, 180_000);

  test('and a client of the command line hears every word of the count', async () => {
    await using own = await startPop('eu-central-1');
    await using other = await startPop('ap-southeast-2');
    await knows(own, other.nodeId, 'core-1');
    await knows(other, own.nodeId, 'core-1');
    const tape = join(folder, 'heard.wav');
    const againBefore = await metric(core.url, FRAMES_AGAIN);
    const calling = antipodeCall(own.url, '--say', COUNT, '--record', tape);
    const written = () => metric(own.url, 'antipode_edge_downlink_packets_total{result="written"}');
    // Some of them the greeting, the others the first numbers of the count.
    await expect.poll(written, { timeout: 60_000 }).toBeGreaterThan(350);
    own.process.kill('SIGKILL');
    const report = await calling;
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(report.calls[0]).toMatchObject({ reconnects: 1 });
    expect(report.calls[0]?.transcript.at(-1)?.text).toMatch(/^One\. Two\. .* Twenty nine\. Thirty\.$/);
    // Nothing is missing: a number is half a second.
    expect(voicedSeconds(decodeWav48(await readFile(tape)))).toBeGreaterThan(VOICED_SECONDS - 0.5);
    // Nothing comes twice but what was on its way, or not reported yet.
    const again = (await metric(core.url, FRAMES_AGAIN)) - againBefore;
    expect(again).toBeGreaterThan(0);
    expect(again * 0.02).toBeLessThan(SPOKEN_ON_SECONDS + 0.5);
  }, 180_000);
});
