/** The server as a process: what a killed worker, a signal, a second start and stray packets do to its callers. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { antipodeCall, COUNT, STOP, WHAT_TIME } from './support/antipode-call.ts';
import { openBrowser, record } from './support/browser.ts';
import { descendants, ROOT, startServer } from './support/server.ts';
import { concat, silence, spans, speak } from './support/sound.ts';

/** The media workers among a server's processes, oldest first. */
async function mediaWorkers(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (const child of await descendants(pid)) {
    const name = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (name.includes('mediasoup-worker')) found.push(child);
  }
  return found.sort((a, b) => a - b);
}

describe('antipode call', () => {
  test('asks the front desk for the time and measures the answer', async () => {
    await using server = await startServer();
    const report = await antipodeCall(server.url, '--say', WHAT_TIME);
    const [one] = report.calls;
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(one?.turns[0]?.voiceToVoiceMs).toBeGreaterThan(300);
    expect(one?.transcript.find(({ role }) => role === 'caller')?.text).toBe('what time is it');
    expect(one?.transcript.at(-1)).toMatchObject({ role: 'agent', text: expect.stringMatching(/^It is /) });
  });

  test('interrupts the count and measures how soon it is silent', async () => {
    await using server = await startServer();
    const report = await antipodeCall(server.url, '--say', COUNT, '--interrupt-with', STOP);
    const bargeInMs = report.calls[0]?.turns.at(-1)?.bargeInMs;
    expect(bargeInMs).toBeGreaterThan(50);
    expect(bargeInMs).toBeLessThan(2_000);
  });
});

describe('a killed media worker', () => {
  test('costs the caller in the browser less than 3 s of the agent, whichever of the two it is', async () => {
    await using server = await startServer();
    const ask = await speak('please count to thirty');
    await using caller = await openBrowser({ microphone: concat(silence(10), ask, silence(60)) });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    const state = caller.page.locator('[data-testid=call-state][data-state=connected]');
    await state.waitFor({ timeout: 20_000 });
    await caller.page.locator('[data-testid=transcript] [data-role=caller][data-final=true]').first().waitFor();
    await caller.page.waitForTimeout(2_000);
    const workers = await mediaWorkers(server.process.pid as number);
    expect(workers).toHaveLength(2);

    for (const worker of workers) {
      process.kill(worker, 'SIGKILL');
      const killedAt = performance.now();
      await expect.poll(async () => (await mediaWorkers(server.process.pid as number)).length).toBe(2);
      await caller.page.waitForTimeout(300);
      await state.waitFor({ timeout: 10_000 });
      const recorder = await record(caller.page);
      await expect
        .poll(
          async () =>
            caller.page.evaluate(() =>
              (window as unknown as { antipodeRecording: { blocks: Int16Array[] } }).antipodeRecording.blocks.some(
                (block) => block.some((sample) => Math.abs(sample) > 1_000),
              ),
            ),
          { interval: 50, timeout: 10_000 },
        )
        .toBe(true);
      expect(performance.now() - killedAt).toBeLessThan(3_000);
      expect(spans(await recorder.stop(), 150, 1).length).toBeGreaterThan(0);
    }
  });
});

describe('the process', () => {
  test('ends on SIGTERM with code 0, tells its callers why and leaves no process behind', async () => {
    const server = await startServer();
    await using caller = await openBrowser({ microphone: silence(30) });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    await caller.page.locator('[data-testid=call-state][data-state=connected]').waitFor({ timeout: 20_000 });
    const family = await descendants(server.process.pid as number);
    expect(family.length).toBeGreaterThanOrEqual(2);
    expect(await server.stop()).toBe(0);
    await caller.page.locator('[data-testid=call-state][data-state=ended]').waitFor({ timeout: 5_000 });
    for (const pid of family) expect(() => process.kill(pid, 0), `process ${pid}`).toThrow();
  });

  test('says which port is taken when it is started twice, and the first goes on', async () => {
    await using server = await startServer();
    const { port } = new URL(server.url);
    const second = spawn(process.execPath, ['src/main.ts', 'dev'], {
      cwd: ROOT,
      env: {
        ...process.env,
        PORT: port,
        ANTIPODE_MEDIA_PORT: '0',
        ANTIPODE_STATE_DIR: join(ROOT, 'node_modules/.antipode-test'),
      },
    });
    let words = '';
    second.stderr.on('data', (chunk) => {
      words += chunk;
    });
    const code = await new Promise((resolve) => second.once('exit', resolve));
    expect(code).toBe(1);
    expect(words).toContain('ERR_PORT_IN_USE');
    expect(words).toContain(port);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  test('is not disturbed by garbage at the media port', async () => {
    await using server = await startServer();
    const { ANTIPODE_MEDIA_PORT: mediaPort } = server.environment;
    const socket = createSocket('udp4');
    for (let index = 0; index < 2_000; index++) {
      const packet = Buffer.alloc(1 + ((index * 37) % 1_400), index % 256);
      await new Promise((resolve) => socket.send(packet, Number(mediaPort), '127.0.0.1', resolve));
    }
    socket.close();
    const report = await antipodeCall(server.url, '--say', WHAT_TIME);
    expect(report.summary).toMatchObject({ connected: 1, failed: 0 });
    expect(await mediaWorkers(server.process.pid as number)).toHaveLength(2);
  });
});
