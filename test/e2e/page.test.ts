/** The page in a real Chromium against a scripted POP: real WebRTC, real sockets, and everything that may go wrong. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakePop } from '../web/fake-pop.ts';
import { CHROMIUM, CHROMIUM_FLAGS } from './support/browser.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
let pageDir: string;
let browser: Browser;
let pop: FakePop;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  pageDir = await mkdtemp(join(tmpdir(), 'antipode-page-'));
  // In a process of its own: with vitest's NODE_ENV it would be a development build.
  const { NODE_ENV: _ignored, ...env } = process.env;
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  await run(process.execPath, [vite, 'build', 'web', '--outDir', pageDir, '--emptyOutDir'], { cwd: ROOT, env });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
});
afterAll(async () => {
  await browser.close();
  await rm(pageDir, { recursive: true });
});
beforeEach(async () => {
  pop = await FakePop.start({ pageDir, media: true });
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  await pop.close();
});

interface Visit {
  path?: string;
  microphone?: boolean;
  width?: number;
}

async function visit({ path = '/', microphone = true, width = 1_280 }: Visit = {}): Promise<Page> {
  const permissions = microphone ? ['microphone'] : [];
  const context = await browser.newContext({ permissions, viewport: { width, height: 740 }, reducedMotion: 'reduce' });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(pop.url + path);
  return page;
}

const state = (page: Page, name: string) => page.locator(`[data-testid=call-state][data-state=${name}]`).waitFor();
const problem = (page: Page, code: string) => page.locator(`[data-testid=error][data-code=${code}]`).waitFor();

/** Press a key, then see the focus on a part of the page. */
async function press(page: Page, key: string, testId: string): Promise<void> {
  await page.keyboard.press(key);
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
  await expect.poll(focused).toBe(testId);
}

async function connect(page: Page): Promise<void> {
  await page.getByTestId('join').click();
  await state(page, 'connected');
}

/** Loudest sample of the agent's voice within two seconds, 0..1. */
function loudness(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const audio = document.querySelector<HTMLAudioElement>('[data-testid=agent-audio]')!;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(audio.srcObject as MediaStream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let peak = 0;
    const until = performance.now() + 2_000;
    while (performance.now() < until && peak < 0.02) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      analyser.getFloatTimeDomainData(samples);
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    }
    await context.close();
    return peak;
  });
}

describe('a call', () => {
  test('is joined by one button, heard, shown, muted and hung up', async () => {
    const page = await visit();
    const violations: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') violations.push(message.text());
    });
    await connect(page);
    expect(await loudness(page)).toBeGreaterThan(0.02);
    expect(pop.last('produce')).toMatchObject({
      rtpParameters: { codecs: [{ mimeType: 'audio/opus', parameters: { useinbandfec: 1 } }] },
    });

    pop.tell({ type: 'transcript', id: 'c', turn: 1, role: 'caller', text: 'count to', final: false });
    await page.locator('[data-testid=transcript] [data-role=caller][data-final=false]').waitFor();
    pop.tell({ type: 'transcript', id: 'c', turn: 1, role: 'caller', text: 'count to thirty', final: true });
    const cut = { type: 'transcript', id: 'a', turn: 1, role: 'agent', final: true, interrupted: true } as const;
    pop.tell({ ...cut, text: 'One, two, three' });
    const line = page.locator('[data-testid=transcript] [data-role=agent][data-interrupted=true]');
    expect(await line.innerText()).toContain('One, two, three');

    await page.waitForFunction(() =>
      document.querySelector('[data-testid=placement]')?.textContent?.includes(' ms there'),
    );
    const parts = { endpointingMs: 200, sttMs: 100, llmMs: 50, ttsMs: 40, mouthMs: 10 };
    pop.tell({ type: 'turn', timeline: { turn: 1, ...parts, backboneRttMs: 150, totalMs: 400, interrupted: true } });
    const turn = page.locator('[data-testid=turns] li[data-turn="1"]');
    expect(await turn.locator('tr[data-part=stt]').innerText()).toContain('100 ms');
    const network = Number.parseFloat(await turn.locator('tr[data-part=network] .part-ms').innerText());
    expect(network).toBeGreaterThanOrEqual(150);
    expect(network).toBeLessThan(250);
    expect(await page.getByTestId('placement').innerText()).toContain('us-east-1');
    expect(await page.getByTestId('notices').innerText()).toContain('No speech service');

    await page.getByTestId('mute').click();
    await page.getByText('muted').waitFor();
    await page.getByTestId('message').fill('What time is it?');
    await page.getByTestId('message').press('Enter');
    await expect.poll(() => pop.last('message')).toEqual({ type: 'text', text: 'What time is it?' });

    await page.getByTestId('hang-up').click();
    await state(page, 'ended');
    await expect.poll(() => pop.count('leave')).toBe(1);
    expect(await line.count()).toBe(1);
    expect(violations).toEqual([]);
  });

  test('shows tools, sounds over the agent, services that took over and what it cost, as they happen', async () => {
    const page = await visit();
    await connect(page);
    const transcript = page.getByTestId('transcript');
    const turns = page.getByTestId('turns');
    const status = page.getByTestId('moment-status');
    const words = { role: 'caller', turn: 1, final: true, type: 'transcript' } as const;
    pop.tell({ ...words, id: 'c1', text: 'Book a table for two' });
    pop.tell({ type: 'agent-state', state: 'thinking' });
    pop.tell({ type: 'tool', id: 't1', turn: 1, name: 'book_table', state: 'running', tookMs: null });
    await transcript.locator('[data-moment=tool] [data-state=running]').waitFor();
    expect(await page.getByTestId('who-agent').innerText()).toContain('using a tool');
    await expect.poll(() => status.innerText()).toBe('Tool book_table is running');
    expect(await turns.locator('li[data-turn="1"][data-pending=true]').innerText()).toContain('book_table');

    pop.tell({ type: 'tool', id: 't1', turn: 1, name: 'book_table', state: 'ok', tookMs: 342.4 });
    const done = transcript.locator('[data-moment=tool] [data-state=ok]');
    await done.waitFor();
    expect(await done.innerText()).toContain('342 ms');
    const measured = { endpointingMs: 200, sttMs: 100, llmMs: 400, ttsMs: 40, mouthMs: 10, backboneRttMs: 9 };
    pop.tell({ type: 'turn', timeline: { turn: 1, ...measured, totalMs: 750, interrupted: false } });
    await turns.locator('li[data-turn="1"] details [data-kind=tool][data-state=ok]').waitFor();
    expect(await turns.locator('[data-pending=true]').count()).toBe(0);

    pop.tell({ type: 'agent-state', state: 'speaking' });
    pop.tell({ ...words, role: 'agent', id: 'a1', text: 'I have booked' });
    pop.tell({ type: 'interruption', turn: 1, outcome: 'paused' });
    await transcript.locator('[data-outcome=paused]').waitFor();
    expect(await page.getByTestId('who-agent').innerText()).toContain('paused');
    pop.tell({ type: 'interruption', turn: 1, outcome: 'rejected' });
    await transcript.locator('[data-outcome=rejected]').waitFor();
    expect(await page.getByTestId('who-agent').innerText()).toContain('speaking');
    pop.tell({ type: 'interruption', turn: 1, outcome: 'confirmed' });
    await transcript.locator('[data-outcome=confirmed]').waitFor();
    expect(await transcript.locator('[data-moment=interruption]').count()).toBe(2);
    await expect.poll(() => status.innerText()).toBe('Cut off: you spoke');
    // In the order in which it happened: the words, the tool, the answer, the sounds over it.
    const order = await transcript
      .locator('> li')
      .evaluateAll((all) => all.map((line) => line.getAttribute('data-role') ?? line.getAttribute('data-moment')));
    expect(order).toEqual(['caller', 'tool', 'agent', 'interruption', 'interruption']);

    // The line itself says where it was cut off; the note beside it would say it twice.
    pop.tell({ ...words, role: 'agent', id: 'a1', text: 'I have', interrupted: true });
    await transcript.locator('[data-outcome=confirmed]').waitFor({ state: 'detached' });
    expect(await turns.locator('[data-outcome=confirmed]').count()).toBeGreaterThan(0);

    const text = 'cartesia failed as text to speech (ERR_SERVICE_TIMEOUT); elevenlabs took over.';
    pop.tell({ type: 'notice', level: 'warning', code: 'fail-over', text });
    expect(await page.locator('[data-testid=notices] [data-code=fail-over]').innerText()).toContain(text);

    expect(await page.getByTestId('cost').count()).toBe(0);
    const llm = { kind: 'llm', service: 'openai', model: 'gpt-4o', requests: 2 } as const;
    const units = { inputTokens: 1_240, outputTokens: 85 };
    const flite = {
      kind: 'tts',
      service: 'flite',
      model: null,
      requests: 3,
      units: { characters: 90 },
      costUsd: 0,
    } as const;
    pop.tell({
      type: 'usage',
      usage: { services: [{ ...llm, units, costUsd: 0.00395 }, flite], costUsd: 0.00395, unpriced: [] },
    });
    await expect.poll(() => page.getByTestId('cost-total').innerText()).toBe('$0.0040');
    const row = (name: string) => page.locator(`[data-testid=cost] tr[data-service=${name}]`).innerText();
    expect(await row('openai')).toMatch(/gpt-4o[\s\S]*1,240 tokens in[\s\S]*\$0\.0040/);
    expect(await row('flite')).toMatch(/90 characters[\s\S]*free/);
    const nobody = { ...llm, service: 'nobody', units, costUsd: null };
    const unpriced = ['llm nobody gpt-4o: no price'];
    pop.tell({
      type: 'usage',
      usage: { services: [{ ...llm, units, costUsd: 0.01 }, nobody], costUsd: 0.01, unpriced },
    });
    await expect.poll(() => page.getByTestId('cost-total').innerText()).toBe('at least $0.0100');
    expect(await page.getByTestId('cost-unpriced').innerText()).toBe('llm nobody gpt-4o: no price');

    await page.getByTestId('hang-up').click();
    await page.getByRole('heading', { name: 'What this call cost' }).waitFor();
  });

  test('with tools and costs fits a phone’s width too', async () => {
    const page = await visit({ width: 360 });
    await connect(page);
    const name = 'look_up_the_reservations_of_tonight_by_the_name_of_the_guest_v2';
    pop.tell({ type: 'tool', id: 't', turn: 1, name, state: 'timed-out', tookMs: 10_000 });
    const model = 'accounts/somebody/models/a-long-name-of-a-model-that-goes-on-and-on-instruct';
    const service = { kind: 'llm', service: 'fireworks', model, requests: 1, units: { inputTokens: 9 }, costUsd: null };
    const unpriced = [`llm fireworks ${model}: no price`];
    pop.tell({ type: 'usage', usage: { services: [service as never], costUsd: 0, unpriced } });
    await page.getByTestId('cost').waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
  });

  test('joins by itself when its address says so, with the agent that it names', async () => {
    const page = await visit({ path: '/?agent=echo&autojoin=1' });
    await state(page, 'connected');
    expect(pop.last('join')).toMatchObject({ token: 'join:echo' });
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe('Echo');
  });

  test('can be made with the keyboard alone, on a phone’s width, without scrolling sideways', async () => {
    const page = await visit({ width: 360 });
    await page.getByTestId('agents').waitFor();
    await press(page, 'Tab', 'join');
    await page.keyboard.press('Enter');
    await state(page, 'connected');
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(await overflow()).toBeLessThanOrEqual(0);
    await press(page, 'Tab', 'mute');
    await press(page, 'Tab', 'hang-up');
    await page.keyboard.press('Enter');
    await state(page, 'ended');
    await press(page, 'Tab', 'join');
    await page.keyboard.press('Enter');
    await state(page, 'connected');
    expect(await overflow()).toBeLessThanOrEqual(0);
  });
});

describe('a disturbance', () => {
  test('of the socket leaves the voices alone and is over by itself', async () => {
    const page = await visit();
    await connect(page);
    pop.refuseSockets = true;
    pop.drop();
    await state(page, 'reconnecting');
    expect(await loudness(page)).toBeGreaterThan(0.02);
    expect(await page.getByTestId('reconnecting').innerText()).toMatch(/held for another \d+ s/);
    pop.refuseSockets = false;
    await state(page, 'connected');
    expect(pop.last('resume')).toMatchObject({ keepMedia: true });
    expect(pop.count('produce')).toBe(1);
  });

  test('of a killed media worker is over within 3 s, and the agent is heard again', async () => {
    const page = await visit();
    await connect(page);
    const killedAtMs = performance.now();
    await pop.media!.kill();
    pop.loseMedia();
    await expect.poll(() => pop.count('produce'), { interval: 10 }).toBe(2);
    await state(page, 'connected');
    expect(await loudness(page)).toBeGreaterThan(0.02);
    expect(performance.now() - killedAtMs).toBeLessThan(3_000);
  });

  test('by a browser that plays nothing without a click is told with a button', async () => {
    const page = await visit();
    await page.evaluate(() => {
      HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
    });
    await connect(page);
    await page.getByTestId('autoplay-blocked').waitFor();
    await page.evaluate(() => {
      HTMLMediaElement.prototype.play = () => Promise.resolve();
    });
    await page.getByTestId('hear-agent').click();
    await page.getByTestId('autoplay-blocked').waitFor({ state: 'detached' });
  });

  test('by a microphone that is pulled out is told, and another one takes over', async () => {
    const page = await visit();
    await page.evaluate(() => {
      const media = navigator.mediaDevices;
      const open = media.getUserMedia.bind(media);
      const held = window as unknown as { pullOut(): void; plugIn(): void };
      let gone = false;
      media.getUserMedia = async (constraints) => {
        if (gone) throw new DOMException('Requested device not found', 'NotFoundError');
        const stream = await open(constraints);
        held.pullOut = () => {
          gone = true;
          stream.getAudioTracks()[0]!.stop();
          stream.getAudioTracks()[0]!.dispatchEvent(new Event('ended'));
        };
        return stream;
      };
      held.plugIn = () => {
        gone = false;
        media.dispatchEvent(new Event('devicechange'));
      };
    });
    await connect(page);
    await page.evaluate(() => (window as unknown as { pullOut(): void }).pullOut());
    await problem(page, 'MIC_LOST');
    await state(page, 'connected');
    await page.evaluate(() => (window as unknown as { plugIn(): void }).plugIn());
    await page.getByTestId('error').waitFor({ state: 'detached' });
    expect(await loudness(page)).toBeGreaterThan(0.02);
  });
});

describe('a failure', () => {
  test('of permission says what to do', async () => {
    const page = await visit({ microphone: false });
    await page.getByTestId('join').click();
    await page.locator('[data-testid=error]').waitFor();
    expect(await page.getByTestId('error').getAttribute('data-code')).toMatch(/^MIC_(DENIED|DISMISSED)$/);
    expect(await page.getByTestId('error').innerText()).toMatch(/[Aa]llow/);
    await state(page, 'failed');
  });

  test('of an insecure address is told as one', async () => {
    const page = await visit();
    await page.evaluate(() => Object.defineProperty(window, 'isSecureContext', { value: false }));
    await page.getByTestId('join').click();
    await problem(page, 'MIC_INSECURE');
  });

  test('of a full POP counts down to when it may be tried again', async () => {
    pop.refusals.set('create', { code: 'ERR_SESSION_LIMIT', retryAfter: 2 });
    const page = await visit();
    await page.getByTestId('join').click();
    await problem(page, 'ERR_SESSION_LIMIT');
    expect(await page.getByTestId('join').innerText()).toMatch(/in [12] s/);
    pop.refusals.clear();
    await page.locator('[data-testid=join][aria-disabled=false]').waitFor();
    await connect(page);
  });

  test('of a wrong agent in the address offers the others', async () => {
    const page = await visit({ path: '/?agent=nobody' });
    await problem(page, 'ERR_AGENT_UNKNOWN');
    expect(await page.getByTestId('join').getAttribute('aria-disabled')).toBe('true');
    await page.getByText('Says back what you say').click();
    await page.getByTestId('error').waitFor({ state: 'detached' });
    await connect(page);
  });

  test('of an unreachable server is over when it is asked again', async () => {
    const page = await visit();
    await page.route('**/v1/agents', (route) => route.abort());
    await page.reload();
    await problem(page, 'SERVER_UNREACHABLE');
    await page.unroute('**/v1/agents');
    await page.getByRole('button', { name: 'Ask the server again' }).click();
    await connect(page);
  });

  test('of the agent ends the call with words and keeps what was said', async () => {
    const page = await visit();
    await connect(page);
    pop.tell({ type: 'transcript', id: 'a', turn: 0, role: 'agent', text: 'Hello.', final: true });
    await page.getByText('Hello.').first().waitFor();
    pop.end({ code: 'agent-failed', reason: 'The model gave up.' });
    await page.locator('[data-testid=ended][data-code=agent-failed]').waitFor();
    expect(await page.locator('[data-testid=transcript] li').count()).toBe(1);
    await page.getByTestId('choose-another').click();
    await state(page, 'idle');
  });
});
