import { describe, expect, test } from 'vitest';
import type { Turn } from '../../../src/agent/turn.ts';
import { type TakeTurnsOptions, takeTurns } from '../../../src/agent/turn-taking/take-turns.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';

/** The stage after its call has started, and the greeting's turn. */
function started(options: Partial<TakeTurnsOptions> = {}) {
  const clock = new FakeClock();
  const call = new MemoryCall({ clock });
  let greeting: Turn | null = null;
  const stage = takeTurns({ call, ...options });
  stage.process({ kind: 'call-started', atMs: clock.now() }, (frame) => {
    if (frame.kind === 'turn-started') greeting = frame.turn;
  });
  return { call, greeting: () => greeting as unknown as Turn };
}

describe('takeTurns() and the reflex at the POP', () => {
  test('lets a voice silence the agent from the start of the call', () => {
    expect(started().call.mouth.yielding).toBe(true);
    expect(started({ greets: false }).call.mouth.yielding).toBe(true);
  });

  test('does not when only words or typed text may stop it', () => {
    expect(started({ interruptible: false }).call.mouth.yielding).toBe(false);
  });

  test('waits for the end of a greeting that is to be heard', () => {
    const { call, greeting } = started({ muteUntilGreeted: true });
    expect(call.mouth.yielding).toBe(false);
    greeting().finish();
    expect(call.mouth.yielding).toBe(true);
  });
});
