import { expect, test } from 'vitest';
import { quotable, refusal, refusalOf } from '../../../src/agent/services/refusal.ts';
import { AntipodeError } from '../../../src/errors.ts';

test.each([
  [307, 'ERR_SERVICE_FAILED', 'Acme sends us to another address (307), where our key does not go.'],
  [400, 'ERR_SERVICE_FAILED', 'Acme failed (400).'],
  [401, 'ERR_SERVICE_FAILED', 'Acme refused our key (401).'],
  [402, 'ERR_SERVICE_UNAVAILABLE', 'Acme limits our rate or quota (402).'],
  [403, 'ERR_SERVICE_FAILED', 'Acme refused our key (403).'],
  [429, 'ERR_SERVICE_UNAVAILABLE', 'Acme limits our rate or quota (429).'],
  [500, 'ERR_SERVICE_FAILED', 'Acme failed (500).'],
  [503, 'ERR_SERVICE_UNAVAILABLE', 'Acme is overloaded or down (503).'],
  [529, 'ERR_SERVICE_UNAVAILABLE', 'Acme is overloaded or down (529).'],
])('%i means %s', (status, code, message) => {
  const error = refusal('Acme', status);
  expect(error).toMatchObject({ code, message });
  expect(refusalOf(error)).toMatchObject({ status, retryAfterMs: null });
});

test.each([
  ['2', 2_000],
  ['0', 0],
  ['0.5', 500],
  ['-1', null],
  ['', null],
  ['Fri, 20 Nov 2026 14:00:00 GMT', null],
])('Retry-After of %j is %j ms', (retryAfter, retryAfterMs) => {
  expect(refusalOf(refusal('Acme', 429, { retryAfter }))).toMatchObject({ retryAfterMs });
});

test('an error that is no refusal has none', () => {
  expect(refusalOf(new AntipodeError('ERR_SERVICE_FAILED', 'It broke.'))).toBeNull();
  expect(refusalOf(new Error('429'))).toBeNull();
  expect(refusalOf(undefined)).toBeNull();
});

test("a service's words are cut, and our key is taken out of them", () => {
  const words = quotable(`The key sk-1 is bad, sk-1! ${'x'.repeat(400)}`, 'sk-1');
  expect(words.startsWith('The key [secret] is bad, [secret]!')).toBe(true);
  expect(words.length).toBe(300);
});
