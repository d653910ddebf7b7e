/** Two pages in one room, each in a Chromium of its own: they hear each other and the agent, mute, moderate and leave. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePage } from '../../scripts/setup/page.mjs';
import { openBrowser } from './support/browser.ts';
import { type RunningServer, startServer } from './support/server.ts';
import { concat, silence, speak } from './support/sound.ts';

const API_KEY = 'a-key-of-the-rooms-page-test';
/** Peak of a voice that is there, of full scale; and of one that is not. */
const HEARD = 0.02;
const SILENT = 0.002;

let server: RunningServer;
let chatter: Int16Array;

beforeAll(async () => {
  await ensurePage();
  server = await startServer({ environment: { ANTIPODE_API_KEYS: API_KEY } });
  const words = await speak('what time is it');
  chatter = concat(silence(3), ...Array.from({ length: 20 }, () => concat(words, silence(3))));
});
afterAll(() => server.stop());

/** Loudest sample of one audio element within `withinMs`, 0..1; earlier when it is heard. */
function loudness(page: Page, selector: string, withinMs = 8_000): Promise<number> {
  return page.evaluate(
    async ({ selector, withinMs, HEARD }) => {
      const audio = document.querySelector<HTMLAudioElement>(selector);
      if (!(audio?.srcObject instanceof MediaStream) || audio.paused) return -1;
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      context.createMediaStreamSource(audio.srcObject).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      let peak = 0;
      const until = performance.now() + withinMs;
      while (performance.now() < until && peak < HEARD) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        analyser.getFloatTimeDomainData(samples);
        for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
      }
      await context.close();
      return peak;
    },
    { selector, withinMs, HEARD },
  );
}

const AGENT = '[data-testid=agent-audio]';
const voiceOf = (name: string) => `[data-testid=other-audio][data-name=${name}]`;
const person = (page: Page, name: string) => page.locator(`[data-testid=people] [data-name=${name}]`);
const connected = (page: Page) =>
  page.locator('[data-testid=call-state][data-state=connected]').waitFor({ timeout: 30_000 });
const names = (page: Page) =>
  page.locator('[data-testid=people] .person').evaluateAll((all) => all.map((one) => one.getAttribute('data-name')));

describe('a room on the page', () => {
  test('is joined by a form with the keyboard alone, which says what is missing', async () => {
    await using caller = await openBrowser({ microphone: silence(60), viewport: { width: 360, height: 740 } });
    const { page } = caller;
    await page.goto(`${server.url}/?agent=echo`);
    const choice = page.getByTestId('room-choice');
    await choice.locator('summary').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.type('garden');
    await page.getByTestId('join').focus();
    await page.keyboard.press('Enter');
    expect(await page.getByTestId('seat-problem').innerText()).toBe('Say how the others should call you.');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('data-testid'))).toBe('seat-name');
    await page.keyboard.type('Dora');
    expect(await page.getByTestId('join').innerText()).toMatch(/Join[\s\S]*room garden/);
    await page.getByTestId('join').focus();
    await page.keyboard.press('Enter');
    await connected(page);
    await person(page, 'Dora').waitFor();
    expect(await person(page, 'Dora').innerText()).toContain('(you)');
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
    expect(await page.getByRole('link', { name: 'Link for others' }).getAttribute('href')).toBe(
      `${server.url}/?room=garden&agent=echo`,
    );
    await page.getByTestId('hang-up').click();
  });

  test('is not there for a caller who has the agent alone', async () => {
    await using caller = await openBrowser({ microphone: silence(60) });
    const { page } = caller;
    await page.goto(`${server.url}/?agent=echo&autojoin=1`);
    await connected(page);
    expect(await page.getByTestId('people').count()).toBe(0);
    expect(await page.getByTestId('other-audio').count()).toBe(0);
    await page.getByTestId('hang-up').click();
  });

  test('lets two hear each other and the agent, by name, until one is muted and then leaves', async () => {
    await using anns = await openBrowser({ microphone: chatter });
    await using bens = await openBrowser({ microphone: chatter });
    const [ann, ben] = [anns.page, bens.page];
    const address = `${server.url}/?agent=front-desk&room=kitchen&autojoin=1`;
    await ben.goto(`${address}&name=Ben`);
    await connected(ben);
    expect(await loudness(ben, AGENT, 15_000), 'the greeting').toBeGreaterThan(HEARD);
    await ann.goto(`${address}&name=Ann`);
    await connected(ann);
    await expect.poll(() => names(ann), { timeout: 10_000 }).toEqual(['Ann', 'Ben']);
    await expect.poll(() => names(ben), { timeout: 10_000 }).toEqual(['Ben', 'Ann']);
    await ben.locator('[data-moment=company]', { hasText: 'Ann is here' }).waitFor();

    // Each has one element for the other, and nobody hears themselves.
    await ben.locator(voiceOf('Ann')).waitFor({ state: 'attached' });
    expect(await ben.getByTestId('other-audio').count()).toBe(1);
    expect(await loudness(ben, voiceOf('Ann')), 'Ann at Ben').toBeGreaterThan(HEARD);
    await person(ben, 'Ann').and(ben.locator('[data-speaking=true]')).waitFor({ timeout: 10_000 });
    await person(ann, 'Ann').and(ann.locator('[data-speaking=true]')).waitFor({ timeout: 10_000 });
    await ann.locator(voiceOf('Ben')).waitFor({ state: 'attached' });
    expect(await ann.getByTestId('other-audio').count()).toBe(1);
    expect(await loudness(ann, voiceOf('Ben')), 'Ben at Ann').toBeGreaterThan(HEARD);

    // What Ann says is Ann's at Ben's, and her own at hers; both hear the answer.
    const others = ben.locator('[data-testid=transcript] [data-other=Ann][data-final=true]');
    await others.first().waitFor({ timeout: 30_000 });
    expect(await others.first().locator('.line-speaker').innerText()).toBe('Ann');
    const own = ann.locator('[data-testid=transcript] [data-role=caller][data-final=true]:not([data-other])').first();
    expect(await own.locator('.line-speaker').innerText()).toBe('You');
    expect(await loudness(ann, AGENT, 15_000), 'the agent at Ann').toBeGreaterThan(HEARD);
    expect(await loudness(ben, AGENT, 15_000), 'the agent at Ben').toBeGreaterThan(HEARD);

    await ann.getByTestId('mute').click();
    await person(ben, 'Ann').and(ben.locator('[data-muted=true]')).waitFor({ timeout: 10_000 });
    expect(await person(ben, 'Ann').locator('.person-word').innerText()).toBe('muted');
    await ben.waitForTimeout(500);
    const whileMuted = await loudness(ben, voiceOf('Ann'), 6_000);
    expect(whileMuted, 'Ann muted, at Ben').toBeLessThan(SILENT);
    await ann.getByTestId('mute').click();
    await person(ben, 'Ann').and(ben.locator('[data-muted=false]')).waitFor({ timeout: 10_000 });
    expect(await loudness(ben, voiceOf('Ann')), 'Ann again, at Ben').toBeGreaterThan(HEARD);

    await ann.getByTestId('hang-up').click();
    await ben.locator('[data-moment=company]', { hasText: 'Ann has left' }).waitFor({ timeout: 10_000 });
    await expect.poll(() => names(ben)).toEqual(['Ben']);
    expect(await ben.getByTestId('other-audio').count()).toBe(0);
    expect([...anns.errors, ...bens.errors]).toEqual([]);
    await ben.getByTestId('hang-up').click();
  }, 180_000);

  test('shows whoever wants to be seen, for as long as they want it', async () => {
    expect((await fetch(server.url)).headers.get('permissions-policy')).toContain('camera=(self)');
    await using anns = await openBrowser({ microphone: silence(120) });
    await using bens = await openBrowser({ microphone: silence(120) });
    const [ann, ben] = [anns.page, bens.page];
    const address = `${server.url}/?agent=echo&room=studio&autojoin=1`;
    await ann.goto(`${address}&name=Ann`);
    await ben.goto(`${address}&name=Ben`);
    await Promise.all([connected(ann), connected(ben)]);
    expect(await ann.getByTestId('tile').count()).toBe(0);
    const tile = ben.locator('[data-testid=tile][data-name=Ann]');
    const isLive = (live: boolean) =>
      tile.and(ben.locator(`[data-live=${live}]`)).waitFor({ state: 'attached', timeout: 10_000 });
    await ann.getByTestId('camera').click();
    await ann.locator('[data-testid=tile][data-name=You]').waitFor();
    await isLive(true);
    const width = () => tile.locator('video').evaluate((video: HTMLVideoElement) => video.videoWidth);
    expect(await width()).toBeGreaterThan(0);
    await ann.getByTestId('camera').click();
    expect(await ann.getByTestId('tile').count()).toBe(0);
    await isLive(false);
    await ann.getByTestId('camera').click();
    await isLive(true);
    expect([...anns.errors, ...bens.errors]).toEqual([]);
    for (const page of [ann, ben]) await page.getByTestId('hang-up').click();
  }, 120_000);

  test('is moderated by whose token grants it: others are muted, and removed', async () => {
    await using bens = await openBrowser({ microphone: silence(120) });
    await using moderators = await openBrowser({ microphone: silence(120) });
    const [ben, moderator] = [bens.page, moderators.page];
    await ben.goto(`${server.url}/?agent=echo&room=court&name=Ben&autojoin=1`);
    await connected(ben);
    const response = await fetch(`${server.url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${API_KEY}` },
      body: JSON.stringify({
        ...{ agent: 'echo', room: 'court', name: 'Judge' },
        grants: ['speak', 'listen', 'message', 'moderate'],
      }),
    });
    const { token } = (await response.json()) as { token: string };
    await moderator.goto(`${server.url}/?autojoin=1#token=${token}`);
    await connected(moderator);
    await expect.poll(() => names(moderator), { timeout: 10_000 }).toEqual(['Judge', 'Ben']);
    expect(await ben.getByRole('button', { name: 'Remove Judge' }).count()).toBe(0);
    // Its token grants no video.
    expect(await moderator.getByTestId('camera').count()).toBe(0);

    await moderator.getByRole('button', { name: 'Mute Ben' }).click();
    await ben.getByText('You were muted by somebody who moderates').first().waitFor({ timeout: 10_000 });
    expect(await ben.getByTestId('mute').innerText()).toBe('Unmute');
    await person(moderator, 'Ben').and(moderator.locator('[data-muted=true]')).waitFor();
    await ben.getByTestId('mute').click();
    await person(moderator, 'Ben').and(moderator.locator('[data-muted=false]')).waitFor({ timeout: 10_000 });

    await moderator.getByRole('button', { name: 'Remove Ben' }).click();
    await ben.locator('[data-testid=ended][data-code=deleted]').waitFor({ timeout: 10_000 });
    await expect.poll(() => names(moderator), { timeout: 10_000 }).toEqual(['Judge']);
    await moderator.getByTestId('hang-up').click();
  }, 120_000);
});
