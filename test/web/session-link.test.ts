import { expect, test } from 'vitest';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import { SessionLink } from '../../web/src/client/session-link.ts';
import type { SignalingEvent } from '../../web/src/client/signaling-socket.ts';
import { eventually } from './eventually.ts';
import { FakePop } from './fake-pop.ts';

test('what the server says again after a resume is told once', async () => {
  const pop = await FakePop.start();
  const told: SignalingEvent[] = [];
  let resumed = 0;
  const link = new SessionLink(
    { url: pop.signalingUrl, clock: browserClock, random: () => 0 },
    {
      event: (event) => told.push(event),
      lost: () => {},
      attempting: () => {},
      resumed: () => {
        resumed += 1;
      },
      failed: () => {},
    },
  );
  try {
    await link.join('join:front-desk');
    const say = (seq: number, outcome: 'paused' | 'rejected') => {
      pop.sendRaw({ event: 'agent', seq, data: { type: 'interruption', turn: 1, outcome } });
    };
    say(1, 'paused');
    say(2, 'rejected');
    await eventually(() => told.length === 2);
    pop.drop();
    await eventually(() => resumed === 1);
    say(1, 'paused');
    say(2, 'rejected');
    say(3, 'paused');
    await eventually(() => told.some(({ seq }) => seq === 3));
    expect(told.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  } finally {
    link.close();
    await pop.close();
  }
});
