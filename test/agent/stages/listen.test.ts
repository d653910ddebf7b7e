import { expect, test } from 'vitest';
import type { Frame } from '../../../src/agent/frames.ts';
import { listen } from '../../../src/agent/stages/listen.ts';
import { MemoryCall } from '../../support/memory-call.ts';

test('listening opens no stream for a frame with which a later stage ended the call', async () => {
  let opened = 0;
  const open = () => {
    opened++;
    return { push() {}, close() {} };
  };
  const stage = listen({ call: new MemoryCall(), vad: { open } });
  const audio = { pcm: new Int16Array(320), position: 0, receivedAtMs: 0, origin: 'received' } as const;
  const frame: Frame = { kind: 'caller-audio', audio };
  await stage.process(frame, () => void stage.close());
  expect(opened).toBe(0);
});
