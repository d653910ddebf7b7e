import { describe, expect, test } from 'vitest';
import type { CallResult } from '../../src/call/call.ts';
import { formatReport, makeReport, percentile, succeeded } from '../../src/call/report.ts';
import { recordPath } from '../../src/call/run-calls.ts';

const NOTHING_LATE = { p50: 0.25, p95: 0.5, p99: 1 };

function result(part: Partial<CallResult>): CallResult {
  return {
    sessionId: 's',
    connectMs: 100,
    firstAudioMs: 200,
    turns: [],
    transcript: [],
    packetsLost: 0,
    reconnects: 0,
    ...part,
  };
}

describe('percentile()', () => {
  test('is the nearest rank', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile([7], 0.5)).toBe(7);
    expect(percentile([1, 2], 0.95)).toBe(2);
    expect(percentile([], 0.5)).toBeNull();
  });
});

describe('the report', () => {
  const calls = [
    result({ connectMs: 101.26, turns: [{ voiceToVoiceMs: 812.34 }, { voiceToVoiceMs: null }] }),
    result({ connectMs: 90, firstAudioMs: null, turns: [{ voiceToVoiceMs: 700, bargeInMs: 99.99 }] }),
    result({ sessionId: null, connectMs: null, firstAudioMs: null, error: { code: 'ERR_X', message: 'no' } }),
  ];

  test('counts, rounds to tenths and leaves out what was not measured', () => {
    const report = makeReport(calls, NOTHING_LATE);
    expect(report.calls[0]).toMatchObject({ connectMs: 101.3, turns: [{ voiceToVoiceMs: 812.3 }, {}] });
    expect(report.summary).toEqual({
      connected: 2,
      failed: 1,
      connectMs: { p50: 90, p95: 101.3, p99: 101.3 },
      firstAudioMs: { p50: 200, p95: 200, p99: 200 },
      voiceToVoiceMs: { p50: 700, p95: 812.3, p99: 812.3 },
      bargeInMs: { p50: 100, p95: 100, p99: 100 },
      callerLateMs: NOTHING_LATE,
    });
  });

  test('succeeds only when every call did', () => {
    expect(succeeded(makeReport(calls, NOTHING_LATE))).toBe(false);
    expect(succeeded(makeReport(calls.slice(0, 2), NOTHING_LATE))).toBe(true);
    const unanswered = result({ error: { code: 'ERR_CALL_NO_ANSWER', message: 'no' } });
    expect(succeeded(makeReport([unanswered], NOTHING_LATE))).toBe(false);
  });

  test('reads well', () => {
    const transcript = [{ role: 'caller' as const, text: 'what time is it' }];
    const [answered, , refused] = calls;
    const text = formatReport(makeReport([{ ...answered!, transcript, packetsLost: 2 }, refused!], NOTHING_LATE));
    expect(text).toContain('call 1  s\n  connected 101.3 ms   first audio 200.0 ms\n  turn 1  voice to voice 812.3 ms');
    expect(text).toContain('  caller: what time is it\n  2 packets lost, 0 reconnects\n');
    expect(text).toContain('call 2  no session\n');
    expect(text).toContain('  failed: ERR_X: no\n');
    expect(text).toContain('1 connected, 1 failed\n');
    expect(text).toMatch(/^barge-in +- +- +-$/m);
  });
});

test('several calls record to numbered files', () => {
  expect(recordPath('a/out.wav', 0, 1)).toBe('a/out.wav');
  expect(recordPath('a.b/out.wav', 0, 3)).toBe('a.b/out-1.wav');
  expect(recordPath('a.b/out', 2, 3)).toBe('a.b/out-3');
  expect(recordPath(null, 0, 3)).toBeNull();
});
