import { expect, test } from 'vitest';
import { type ClientEvent, clientEventSchema } from '../../../src/agent/index.ts';
import { ClientObserver } from '../../../src/agent/observe/index.ts';

function setUp() {
  const sent: ClientEvent[] = [];
  return { sent, observer: new ClientObserver((event) => sent.push(clientEventSchema.parse(event))) };
}

test('a tool is told when it begins and, with the time that it took, when it has ended', () => {
  const { sent, observer } = setUp();
  observer.observed({ type: 'tool-started', turn: 2, callId: 'c1', name: 'book', atMs: 100 });
  const ended = { type: 'tool-ended', turn: 2, callId: 'c1', name: 'book', startedAtMs: 100, atMs: 350 } as const;
  observer.observed({ ...ended, outcome: 'timed-out' });
  expect(sent).toEqual([
    { type: 'tool', id: 'c1', turn: 2, name: 'book', state: 'running', tookMs: null },
    { type: 'tool', id: 'c1', turn: 2, name: 'book', state: 'timed-out', tookMs: 250 },
  ]);
});

test('a tool with a name and an id as no client would take them is cut to what it takes', () => {
  const { sent, observer } = setUp();
  const name = 'n'.repeat(500);
  observer.observed({ type: 'tool-started', turn: 1, callId: name, name, atMs: 1 });
  expect(sent).toMatchObject([{ id: 'n'.repeat(128), name: 'n'.repeat(64) }]);
});

test('a sound over the agent and what became of it are told as they happen', () => {
  const { sent, observer } = setUp();
  for (const outcome of ['paused', 'rejected'] as const) {
    observer.observed({ type: 'interruption', turn: 3, outcome, soundAtMs: 1, atMs: 2 });
  }
  expect(sent).toEqual([
    { type: 'interruption', turn: 3, outcome: 'paused' },
    { type: 'interruption', turn: 3, outcome: 'rejected' },
  ]);
});

test('a service that took over is a warning that names both', () => {
  const { sent, observer } = setUp();
  const change = { kind: 'tts', from: 'cartesia', to: 'elevenlabs', code: 'ERR_SERVICE_TIMEOUT', atMs: 1 } as const;
  observer.observed({ type: 'fail-over', turn: 1, ...change });
  expect(sent).toEqual([
    {
      type: 'notice',
      level: 'warning',
      code: 'fail-over',
      text: 'cartesia failed as text to speech (ERR_SERVICE_TIMEOUT); elevenlabs took over.',
    },
  ]);
});

test('what others tell is not told twice', () => {
  const { sent, observer } = setUp();
  observer.observed({ type: 'call-started', atMs: 1 });
  observer.observed({ type: 'turn-started', turn: 1, cause: 'speech', atMs: 1 });
  expect(sent).toEqual([]);
});
