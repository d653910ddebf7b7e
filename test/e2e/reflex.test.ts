/** The reflex at the POP with a browser's own packets: the loudness that Chromium writes into them, and what comes of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser } from './support/browser.ts';
import { type RunningServer, startServer } from './support/server.ts';
import { concat, silence, speak } from './support/sound.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(async () => {
  await server.stop();
});

/** Value of a line of /metrics; 0 when there is none. */
async function metric(line: string): Promise<number> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const found = page.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length + 1) ?? 0);
}

test('a caller who speaks over the agent in Chromium silences it at the POP, and the core confirms', async () => {
  const [ask, stop] = await Promise.all([speak('please count to thirty'), speak('stop please')]);
  await using caller = await openBrowser({ microphone: concat(silence(12), ask, silence(6), stop, silence(20)) });
  await caller.page.goto(`${server.url}/?agent=front-desk&autojoin=1`);
  const cut = caller.page.locator('[data-testid=transcript] [data-role=agent][data-interrupted=true]');
  await cut.first().waitFor({ timeout: 60_000 });
  const confirmed = 'antipode_edge_reflex_ducks_total{outcome="confirmed"}';
  await expect.poll(() => metric(confirmed), { timeout: 5_000 }).toBeGreaterThanOrEqual(1);
  expect(await metric('antipode_edge_reflex_unavailable_total')).toBe(0);
});
