import { expect, test } from 'vitest';
import { meterScale } from '../../web/src/client/audio-level.ts';
import { microphoneFailure } from '../../web/src/client/microphone.ts';

test.each([
  ['a refusal', 'NotAllowedError', 'Permission denied', 'denied', 'MIC_DENIED'],
  ['a refusal where the browser keeps permissions to itself', 'NotAllowedError', 'no', 'unknown', 'MIC_DENIED'],
  ['a prompt closed in Chrome', 'NotAllowedError', 'Permission dismissed', 'unknown', 'MIC_DISMISSED'],
  ['a prompt that may be shown again', 'NotAllowedError', 'Permission denied', 'prompt', 'MIC_DISMISSED'],
  ['a system that says no', 'NotAllowedError', 'Permission denied by system', 'granted', 'MIC_BLOCKED_BY_SYSTEM'],
  ['no device', 'NotFoundError', 'Requested device not found', 'granted', 'MIC_NONE'],
  ['a device in use', 'NotReadableError', 'Could not start audio source', 'granted', 'MIC_BUSY'],
  ['anything else', 'TypeError', 'at least one of audio and video', 'granted', 'PAGE_BROKEN'],
] as const)('%s is %s in the browser and ends as its own code', (_what, name, message, permission, code) => {
  expect(microphoneFailure({ name, message }, permission).failure.code).toBe(code);
});

test('the meter is silent in a quiet room, full for a loud voice and linear in decibels between', () => {
  const at = (db: number) => meterScale(10 ** (db / 20));
  expect(meterScale(0)).toBe(0);
  expect(at(-60)).toBe(0);
  expect(at(-35)).toBeCloseTo(0.5, 5);
  expect(at(-6)).toBe(1);
});
