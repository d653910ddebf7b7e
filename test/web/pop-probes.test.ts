import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import { type PingOptions, type Probe, pingPops } from '../../web/src/client/ping-pops.ts';
import { PopProbes, type PopProbesOptions } from '../../web/src/client/pop-probes.ts';
import { ProbeCache, type ProbeStorage } from '../../web/src/client/probe-cache.ts';
import { probeRows, probeSummary } from '../../web/src/client/probe-words.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from './eventually.ts';
import { FAKE_PLACEMENT, FakePop } from './fake-pop.ts';

const KEY = 'antipode.probes';

class MemoryStorage extends Map<string, string> implements ProbeStorage {
  getItem(key: string) {
    return this.get(key) ?? null;
  }
  setItem(key: string, value: string) {
    this.set(key, value);
  }
  removeItem(key: string) {
    this.delete(key);
  }
}

const noTiming = () => null;
const at = (pop: string, probeUrl: string) => ({ pop, region: 'x', probeUrl, expectedMs: null });
const endless = new AbortController().signal;

describe('pinging POPs', () => {
  /** Each request takes as long as the script says of its URL; time passes by these requests alone. */
  function scripted(script: Record<string, (number | Error)[]>, timing: Record<string, number> = {}) {
    let nowMs = 0;
    const asked: string[] = [];
    const answer = async (url: string) => {
      asked.push(url);
      const took = script[new URL(url).host]!.shift();
      if (took === undefined || took instanceof Error) throw took ?? new Error('asked once too often');
      nowMs += took;
      return new Response(null, { status: 204 });
    };
    const options: PingOptions = {
      fetch: answer as unknown as typeof fetch,
      now: () => nowMs,
      timingOf: (url) => timing[new URL(url).search] ?? null,
      random: () => 0,
    };
    const told: Probe[] = [];
    const run = (...hosts: string[]) =>
      pingPops(
        hosts.map((host) => at(host, `https://${host}/v1/probe`)),
        options,
        (probe) => told.push(probe),
        endless,
      );
    return { run, told, asked };
  }

  test('warms the connection first, and takes the least of two figures', async () => {
    const { run, told, asked } = scripted({ a: [90, 31.26, 30] });
    await run('a');
    expect(asked).toEqual(['https://a/v1/probe?n=0-0', 'https://a/v1/probe?n=0-1', 'https://a/v1/probe?n=0-2']);
    expect(told).toEqual([
      { pop: 'a', rttMs: 31.3 },
      { pop: 'a', rttMs: 30 },
    ]);
  });

  test('goes by the times of the request itself where the browser tells them, from the first one on', async () => {
    const { run, told } = scripted({ a: [120, 60, 25] }, { '?n=0-0': 29, '?n=0-1': 28, '?n=0-2': 40 });
    await run('a');
    expect(told.map(({ rttMs }) => rttMs)).toEqual([29, 28, 25]);
  });

  test('leaves a POP that fails, and goes on with the others', async () => {
    const { run, told, asked } = scripted({ a: [new TypeError('blocked')], b: [40, 20, new Error('cut')] });
    await run('a', 'b');
    expect(told).toEqual([{ pop: 'b', rttMs: 20 }]);
    expect(asked.filter((url) => url.includes('//a/'))).toHaveLength(1);
  });
});

describe('what was measured', () => {
  const date = () => new Date(2026, 0, 1);
  const kept = (change: object = {}) =>
    JSON.stringify({ version: 1, atMs: date().getTime(), probes: [{ pop: 'a', rttMs: 1 }], ...change });
  const cacheOf = (text: string) => {
    const storage = new MemoryStorage([[KEY, text]]);
    return { storage, cache: new ProbeCache(storage, date) };
  };

  test('is kept for ten minutes', () => {
    const old = (ageMs: number) => cacheOf(kept({ atMs: date().getTime() - ageMs })).cache.read();
    expect(old(599_999)).toEqual([{ pop: 'a', rttMs: 1 }]);
    expect(old(600_000)).toBeNull();
    expect(old(-1)).toBeNull();
  });

  test.each([
    ['no JSON', 'who'],
    ['another version', kept({ version: 2 })],
    ['a lie', kept({ probes: [{ pop: 'a', rttMs: -1 }] })],
    ['too much', kept({ probes: Array.from({ length: 6 }, () => ({ pop: 'a', rttMs: 1 })) })],
    ['no time', kept({ atMs: 'now' })],
  ])('is not believed where the storage holds %s, which goes', (_name, text) => {
    const { storage, cache } = cacheOf(text);
    expect(cache.read()).toBeNull();
    expect(storage.size).toBe(0);
  });

  test('is measured each time without a storage, and with one that is full', () => {
    const none = new ProbeCache(null, date);
    none.write([{ pop: 'a', rttMs: 1 }]);
    expect(none.read()).toBeNull();
    none.forget();
    const full = new MemoryStorage();
    full.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    expect(() => new ProbeCache(full, date).write([])).not.toThrow();
  });
});

describe('a page', () => {
  let pop: FakePop;
  let far: FakePop;
  let storage: MemoryStorage;

  beforeEach(async () => {
    [pop, far] = await Promise.all([FakePop.start(), FakePop.start()]);
    storage = new MemoryStorage();
  });
  afterEach(() => Promise.all([pop.close(), far.close()]));

  const probesOf = (change: Partial<PopProbesOptions> = {}) =>
    new PopProbes({
      ...{ clock: browserClock, random: Math.random, fetch, timingOf: noTiming },
      rest: { baseUrl: pop.url, timeoutMs: 2_000, fetch },
      cache: new ProbeCache(storage, () => new Date()),
      ...change,
    });
  const farPop = () => ({ ...at('pop-far', `${far.url}/v1/probe`), region: 'us-east-1' });

  test('measures every POP that it is told of, thrice, and keeps what it measured', async () => {
    pop.otherPops = [farPop()];
    far.probeDelayMs = 25;
    const probes = probesOf();
    probes.prepare();
    await eventually(() => storage.size === 1);
    const measured = await probes.forJoin();
    expect(measured.map((probe) => probe.pop).toSorted()).toEqual(['pop-far', 'pop-syd-1']);
    const rttOf = new Map(measured.map((probe) => [probe.pop, probe.rttMs]));
    expect(rttOf.get('pop-far')!).toBeGreaterThanOrEqual(24);
    expect(rttOf.get('pop-syd-1')!).toBeLessThan(rttOf.get('pop-far')!);
    await probesOf().forJoin();
    expect([pop.popsAsked, pop.probesAsked, far.probesAsked]).toEqual([1, 3, 3]);
  });

  test('measures nothing where there is one POP only, and asks no more for ten minutes', async () => {
    probesOf().prepare();
    await eventually(() => storage.size === 1);
    probesOf().prepare();
    expect(await probesOf().forJoin()).toEqual([]);
    expect([pop.popsAsked, pop.probesAsked]).toEqual([1, 0]);
  });

  test('waits for 150 ms at a join, takes what came, and keeps the rest for the next one', async () => {
    pop.otherPops = [farPop()];
    const clock = new FakeClock();
    const held = Promise.withResolvers<void>();
    const slow = (async (url: string, init: RequestInit) => {
      if (url.startsWith(far.url)) await held.promise;
      return fetch(url, init);
    }) as typeof fetch;
    const probes = probesOf({ clock, fetch: slow });
    let measured: readonly Probe[] | null = null;
    void probes.forJoin().then((answer) => {
      measured = answer;
    });
    await eventually(() => pop.probesAsked === 3);
    await new Promise((resolve) => setTimeout(resolve, 20));
    clock.advance(149);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(measured).toBeNull();
    clock.advance(1);
    await eventually(() => measured !== null);
    expect(measured!.map((probe) => probe.pop)).toEqual(['pop-syd-1']);
    held.resolve();
    await eventually(() => storage.size === 1);
    expect((await probes.forJoin()).map((probe) => probe.pop).toSorted()).toEqual(['pop-far', 'pop-syd-1']);
  });

  test('goes on without figures when the list does not come, is none, or no POP answers as it should', async () => {
    const gone = probesOf({ rest: { baseUrl: 'http://127.0.0.1:1', timeoutMs: 2_000, fetch } });
    expect(await gone.forJoin()).toEqual([]);
    const wrong = probesOf({ rest: { baseUrl: `${pop.url}/nothing`, timeoutMs: 2_000, fetch } });
    expect(await wrong.forJoin()).toEqual([]);
    pop.otherPops = [farPop()];
    pop.probeStatus = 200;
    far.probeStatus = 429;
    expect(await probesOf().forJoin()).toEqual([]);
    expect(storage.size).toBe(0);
  });

  test('gives a measurement up after two seconds, though nobody waits for it', async () => {
    pop.otherPops = [farPop()];
    const clock = new FakeClock();
    let aborted = 0;
    const hanging = ((_url: string, { signal }: RequestInit) =>
      new Promise((_resolve, reject) => {
        signal!.addEventListener('abort', () => {
          aborted += 1;
          reject(signal!.reason);
        });
      })) as typeof fetch;
    const probes = probesOf({ clock, fetch: hanging });
    probes.prepare();
    await eventually(() => pop.popsAsked === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    clock.advance(2_000);
    await eventually(() => aborted === 2);
    expect(clock.pendingCount).toBe(0);
  });

  test('measures anew once the network is another one', async () => {
    pop.otherPops = [farPop()];
    const probes = probesOf();
    probes.prepare();
    await eventually(() => storage.size === 1);
    probes.forget();
    expect(storage.size).toBe(0);
    probes.prepare();
    await eventually(() => storage.size === 1);
    expect(pop.popsAsked).toBe(2);
  });
});

describe('where a call runs', () => {
  const view = {
    ...FAKE_PLACEMENT,
    probes: [
      { pop: 'pop-iad-1', region: 'us-east-1', rttMs: 1, countedMs: 157 },
      { pop: 'pop-syd-1', region: 'ap-southeast-2', rttMs: 8.2, countedMs: 8.2 },
    ],
  };
  const measured = { ...view.prediction!, sources: { callerPop: 'measured' } };

  test('tells each POP that answered, and what a figure counts as when it cannot be', () => {
    expect(probeRows(view)).toEqual([
      { pop: 'pop-syd-1', region: 'ap-southeast-2', rttMs: 8.2, bounded: null, chosen: true },
      {
        ...{ pop: 'pop-iad-1', region: 'us-east-1', rttMs: 1, chosen: false },
        bounded: { countedMs: 157, why: 'from where your address is it can’t be less' },
      },
    ]);
    const far = { pop: 'pop-syd-1', region: 'ap-southeast-2', rttMs: 900, countedMs: 110 };
    expect(probeRows({ ...view, probes: [far] })[0]!.bounded!.why).toContain('more is not believed');
  });

  test('says that measurements decided only where they did', () => {
    expect(probeSummary(FAKE_PLACEMENT)).toBeNull();
    expect(probeSummary({ ...view, prediction: measured })).toContain('2 points of presence: these figures decided');
    const one = { ...view, probes: view.probes.slice(1), prediction: measured };
    expect(probeSummary(one)).toContain('one point of presence: that counted');
    expect(probeSummary(view)).toBe('Your browser measured 2 points of presence, but not pop-syd-1.');
  });
});
