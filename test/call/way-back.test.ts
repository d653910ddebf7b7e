import { describe, expect, it } from 'vitest';
import { comeBack, type Door, doorsOf, judgeRefusal, NoAnswerError, type Verdict } from '../../src/call/way-back.ts';
import { FakeClock } from '../support/fake-clock.ts';

function door(name: string): Door {
  return { pop: name, region: 'r', signalingUrl: `ws://${name}.example` };
}

/** How a POP behaves: when its socket opens or fails, and what it answers to the token. */
interface Behavior {
  opensAfterMs?: number;
  /** It refuses the connection then. */
  failsAfterMs?: number;
  answersAfterMs?: number;
  refuses?: Verdict;
}

/** Tries the doors and tells what was done, with times: `0 open a`, `300 open b`, `310 resume b`. */
function round(behaviors: Record<string, Behavior>, names = Object.keys(behaviors)) {
  const clock = new FakeClock(0);
  const log: string[] = [];
  const note = (what: string) => log.push(`${clock.now()} ${what}`);
  const over = new AbortController();
  const after = (ms: number | undefined, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (ms !== undefined) clock.setTimeout(resolve, ms);
    });
  const result = comeBack<string, string>({
    doors: names.map(door),
    clock,
    signal: over.signal,
    async open({ pop }, signal) {
      note(`open ${pop}`);
      const { opensAfterMs, failsAfterMs } = behaviors[pop!]!;
      await after(failsAfterMs ?? opensAfterMs, signal);
      if (failsAfterMs !== undefined) throw new Error(`${pop} is not there`);
      return pop!;
    },
    async enter(socket) {
      note(`resume ${socket}`);
      const { answersAfterMs, refuses } = behaviors[socket]!;
      await after(answersAfterMs);
      if (refuses) throw Object.assign(new Error(`${socket} refuses`), { verdict: refuses });
      return `welcome by ${socket}`;
    },
    close: (socket) => note(`close ${socket}`),
    judge: (error) => {
      if (error instanceof NoAnswerError) return 'later';
      return (error as { verdict?: Verdict }).verdict ?? 'later';
    },
  });
  const settled = result.then(
    ({ answer }) => note(answer),
    (error: Error) => note(`failed: ${error.message}`),
  );
  return {
    log,
    over,
    result,
    async run(ms = 10_000) {
      for (let at = 0; at < ms; at += 10) {
        for (let turn = 0; turn < 12; turn++) await Promise.resolve();
        clock.advance(10);
      }
      await Promise.race([settled, Promise.resolve()]);
    },
    clock,
  };
}

describe('coming back', () => {
  it('takes the own POP when that answers, and does not trouble the others', async () => {
    const { log, run } = round({
      a: { opensAfterMs: 20, answersAfterMs: 30 },
      b: { opensAfterMs: 10, answersAfterMs: 10 },
    });
    await run();
    expect(log).toEqual(['0 open a', '20 resume a', '50 welcome by a']);
  });

  it('tries the next one at once when the own one is not there', async () => {
    const { log, run } = round({ a: { failsAfterMs: 10 }, b: { opensAfterMs: 20, answersAfterMs: 30 } });
    await run();
    expect(log).toEqual(['0 open a', '10 open b', '30 resume b', '60 welcome by b']);
  });

  it('tries the next ones beside it every 300 ms while nothing comes of those before', async () => {
    const { log, run } = round({ a: {}, b: {}, c: { opensAfterMs: 20, answersAfterMs: 20 } });
    await run();
    expect(log).toEqual(['0 open a', '300 open b', '600 open c', '620 resume c', '640 welcome by c']);
  });

  it('shows the token to one POP after the other, in the order in which they opened', async () => {
    const { log, run } = round({
      a: { opensAfterMs: 350, answersAfterMs: 100, refuses: 'elsewhere' },
      b: { opensAfterMs: 20, answersAfterMs: 400, refuses: 'later' },
      c: { opensAfterMs: 20, answersAfterMs: 20 },
    });
    await run();
    expect(log).toEqual([
      '0 open a',
      '300 open b',
      '320 resume b',
      '600 open c',
      '720 close b',
      '720 resume a',
      '820 close a',
      '820 resume c',
      '840 welcome by c',
    ]);
  });

  it('passes over a POP that takes the token and does not answer', async () => {
    const { log, run } = round({ a: { opensAfterMs: 10 }, b: { opensAfterMs: 10, answersAfterMs: 10 } });
    await run();
    expect(log).toEqual([
      '0 open a',
      '10 resume a',
      '300 open b',
      '2510 close a',
      '2510 resume b',
      '2520 welcome by b',
    ]);
  });

  it('closes a socket that opened too late to matter', async () => {
    const { log, run } = round({ a: { opensAfterMs: 320 }, b: { opensAfterMs: 10, answersAfterMs: 100 } });
    await run();
    expect(log).toEqual(['0 open a', '300 open b', '310 resume b', '410 close a', '410 welcome by b']);
  });

  it('ends at once with a refusal that holds everywhere', async () => {
    const { log, run } = round({
      a: { opensAfterMs: 10, answersAfterMs: 10, refuses: 'over' },
      b: { opensAfterMs: 10 },
    });
    await run();
    expect(log).toEqual(['0 open a', '10 resume a', '20 close a', '20 failed: a refuses']);
  });

  it('fails with what may pass rather than with what stays, when nobody takes the caller', async () => {
    const { log, run } = round({
      a: { opensAfterMs: 10, answersAfterMs: 10, refuses: 'elsewhere' },
      b: { failsAfterMs: 10 },
    });
    await run();
    expect(log.at(-1)).toBe('30 failed: b is not there');
    const other = round({
      a: { opensAfterMs: 10, answersAfterMs: 10, refuses: 'elsewhere' },
      b: { opensAfterMs: 10, answersAfterMs: 10, refuses: 'elsewhere' },
    });
    await other.run();
    expect(other.log.at(-1)).toBe('40 failed: a refuses');
  });

  it('stops when the call is over', async () => {
    const { log, run, over, result } = round({ a: {}, b: {} });
    result.catch(() => undefined);
    await run(100);
    over.abort(new Error('hung up'));
    await run(2_000);
    expect(log).toEqual(['0 open a', '100 failed: hung up']);
  });
});

describe('what a refusal says of the other POPs', () => {
  it.each([
    ['ERR_SESSION_ENDED', false, false, 'over'],
    ['ERR_SESSION_UNKNOWN', false, false, 'over'],
    ['ERR_TOKEN_REPLAYED', false, false, 'over'],
    ['ERR_TOKEN_INVALID', false, false, 'elsewhere'],
    ['ERR_PLACEMENT_RESIDENCY', false, false, 'elsewhere'],
    ['ERR_SESSION_LIMIT', true, false, 'later'],
    ['ERR_MEDIA_WORKER_DIED', true, true, 'over'],
    ['ERR_SHUTTING_DOWN', true, true, 'later'],
  ] as const)('%s', (code, retryable, own, verdict) => {
    expect(judgeRefusal({ code, retryable }, own)).toBe(verdict);
  });
});

it('the own POP is first and named once', () => {
  const own = { pop: null, region: null, signalingUrl: 'ws://a.example' };
  const others = [door('a'), door('b')].map(({ signalingUrl }) => ({ pop: 'p', region: 'r', signalingUrl }));
  expect(doorsOf(own, others).map(({ signalingUrl }) => signalingUrl)).toEqual(['ws://a.example', 'ws://b.example']);
});
