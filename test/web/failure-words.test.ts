import { describe, expect, test } from 'vitest';
import { sessionEndSchema } from '../../src/agent/client-events.ts';
import { AntipodeError, ERROR_CODES } from '../../src/errors.ts';
import { asFailure, CallFailure, failureOf, PAGE_FAILURE_CODES } from '../../web/src/client/failure.ts';
import { endWords, failureWords } from '../../web/src/client/failure-words.ts';

const NEVER_ON_A_PAGE = /^ERR_(CALL_|CONFIG_INVALID$|PORT_IN_USE$|STATE_DIR$)/;
const UNKNOWN_TITLE = failureWords({
  code: 'ERR_OF_TOMORROW',
  message: '',
  retryable: false,
  retryAfterMs: null,
}).title;

describe('every failure that a page may see has words', () => {
  const codes = [...Object.keys(ERROR_CODES).filter((code) => !NEVER_ON_A_PAGE.test(code)), ...PAGE_FAILURE_CODES];

  test.each(codes)('%s', (code) => {
    const words = failureWords({ code, message: '', retryable: false, retryAfterMs: null });
    expect(words.title).not.toBe(UNKNOWN_TITLE);
    expect(words.title.length).toBeLessThan(60);
    expect(words.advice).toMatch(/^[A-Z].*\.$/s);
    expect(words.title + words.advice).not.toContain('ERR_');
  });
});

test('a code of a newer server is told in the server’s own words', () => {
  const failure = { code: 'ERR_OF_TOMORROW', message: 'The moon is in the way.', retryable: true, retryAfterMs: null };
  expect(failureWords(failure)).toMatchObject({ advice: 'The moon is in the way.', action: 'retry' });
});

test('every way a session ends has words, and what broke is not told as if it were meant', () => {
  const words = sessionEndSchema.shape.code.options.map((code) => [code, endWords({ code, reason: '' })] as const);
  expect(words.every(([, { title, advice }]) => title.length > 0 && advice.length > 0)).toBe(true);
  const trouble = words.filter(([, { tone }]) => tone === 'trouble').map(([code]) => code);
  expect(trouble).toEqual(['caller-lost', 'agent-failed', 'node-shutdown']);
});

test('what a server said keeps its code, and what nobody foresaw keeps its message', () => {
  const wire = new AntipodeError('ERR_SESSION_LIMIT', 'Full.').toWire();
  expect(CallFailure.fromWire(wire, 5_000).failure).toEqual({ ...wire, retryAfterMs: 5_000 });
  expect(asFailure(new TypeError('x is not a function'))).toEqual(
    failureOf('PAGE_BROKEN', 'TypeError: x is not a function'),
  );
});
