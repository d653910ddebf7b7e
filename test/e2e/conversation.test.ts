/** A newcomer's call: a real server process, a real Chromium, sound in as the microphone, sound out recognized. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser, record } from './support/browser.ts';
import { type RunningServer, startServer } from './support/server.ts';
import { concat, recognize, silence, spans, speak } from './support/sound.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(async () => {
  await server.stop();
});

const HOURS = 'one two three four five six seven eight nine ten eleven twelve'.split(' ');
const TENS = { 2: 'twenty', 3: 'thirty', 4: 'forty', 5: 'fifty' } as Record<number, string>;
const TEENS = 'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');

/** The words of a time of day as a clock reader says them: "ten oh five a m", "three o'clock in the afternoon". */
function timeWords(date: Date): string {
  const hour = HOURS[(date.getHours() + 11) % 12] as string;
  const minute = date.getMinutes();
  const half = date.getHours() < 12 ? 'a m' : 'p m';
  if (minute === 0) {
    const part = date.getHours() < 12 ? 'morning' : date.getHours() < 18 ? 'afternoon' : 'evening';
    return `${hour} o'clock in the ${part}`;
  }
  if (minute < 10) return `${hour} oh ${HOURS[minute - 1]} ${half}`;
  if (minute < 20) return `${hour} ${TEENS[minute - 10]} ${half}`;
  const ones = minute % 10;
  return `${hour} ${TENS[Math.floor(minute / 10)]}${ones ? ` ${HOURS[ones - 1]}` : ''} ${half}`;
}

const HOUR_RULE = `(${HOURS.join(' | ')})`;
const ONES_RULE = `(${HOURS.slice(0, 9).join(' | ')})`;
const MINUTE_RULE = `(oh ${ONES_RULE} | ${TEENS.join(' | ')} | (${Object.values(TENS).join(' | ')}) [${ONES_RULE}])`;
const TIME_RULE = `(${HOUR_RULE} ${MINUTE_RULE} (a | p) m | ${HOUR_RULE} o'clock in the (morning | afternoon | evening))`;

/** How much of the words was heard, in whatever order. */
function shareHeard(words: string, heard: string): number {
  const all = words.split(' ');
  const known = new Set(heard.split(' '));
  return all.filter((word) => known.has(word)).length / all.length;
}

describe('a conversation in a real browser', () => {
  test('a spoken question for the time is answered aloud with the time, and the page shows both sides', async () => {
    const question = await speak('what time is it');
    await using caller = await openBrowser({ microphone: concat(silence(12), question, silence(20)) });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    const recorder = await record(caller.page);

    const asked = caller.page.locator('[data-testid=transcript] [data-role=caller][data-final=true]');
    await asked.first().waitFor({ timeout: 40_000 });
    const askedAt = new Date();
    const answers = caller.page.locator('[data-testid=transcript] [data-role=agent][data-final=true]');
    await expect.poll(() => answers.count(), { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
    const heard = await recorder.stop();

    expect((await asked.first().innerText()).toLowerCase()).toContain('what time is it');
    const words = [timeWords(askedAt), timeWords(new Date(askedAt.getTime() - 60_000))];
    const answerText = (await answers.nth(1).innerText()).toLowerCase();
    expect(
      words.some((time) => answerText.includes(time)),
      answerText,
    ).toBe(true);

    const answer = spans(heard).at(-1) as { from: number; to: number };
    const spoken = heard.subarray(Math.round(answer.from * 16_000), Math.round(answer.to * 16_000));
    const recognized = await recognize(spoken, `it is ${TIME_RULE}`);
    // Some minutes are misheard in a synthetic voice: most of the words have to be there.
    const heardShares = words.map((time) => shareHeard(`it is ${time}`, recognized));
    expect(Math.max(...heardShares), `"${recognized}" for ${words}`).toBeGreaterThanOrEqual(0.6);

    await caller.page.locator('[data-testid=turns] li').first().waitFor({ timeout: 5_000 });
    expect(caller.errors).toEqual([]);
  });

  test('speaking into the count silences it', async () => {
    const [ask, stop] = await Promise.all([speak('please count to thirty'), speak('stop please')]);
    await using caller = await openBrowser({
      microphone: concat(silence(12), ask, silence(6), stop, silence(20)),
    });
    await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
    const recorder = await record(caller.page);
    const cut = caller.page.locator('[data-testid=transcript] [data-role=agent][data-interrupted=true]');
    await cut.first().waitFor({ timeout: 60_000 });
    await caller.page.waitForTimeout(4_000);
    const heard = await recorder.stop();

    const said = (await cut.first().innerText()).toLowerCase();
    expect(said).toContain('one');
    expect(said).not.toContain('thirty');
    const counting = spans(heard, 150, 1).find((span) => span.to - span.from > 2 && span.from > 5);
    expect(counting).toBeDefined();
    const length = (counting as { from: number; to: number }).to - (counting as { from: number; to: number }).from;
    expect(length).toBeGreaterThan(2);
    expect(length).toBeLessThan(8);
  });
});
