import { expect, test } from 'vitest';
import { z } from 'zod';
import { Conversation, judge } from '../../../src/agent/index.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { ScriptedLlm, type ScriptedPart } from '../../support/scripted-llm.ts';

const settle = async () => {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
};

const fair: ScriptedPart = { call: 'give_verdict', with: { fair: true } };

function setUp(answers: ConstructorParameters<typeof ScriptedLlm>[0], onVerdict = (_: { fair: boolean }) => {}) {
  const clock = new FakeClock();
  const { log, messages } = recordingLog();
  const call = new MemoryCall({ clock, log });
  const llm = new ScriptedLlm(answers);
  const told: unknown[] = [];
  const conversation = new Conversation();
  const stage = judge({
    call,
    llm,
    conversation,
    instructions: 'Is it fair?',
    verdict: z.object({ fair: z.boolean() }),
    onVerdict(verdict) {
      told.push(verdict);
      onVerdict(verdict);
    },
  });
  const hear = async (turn: Turn) => {
    conversation.callerSaid(turn, `words ${turn.number}`);
    await stage.process(
      { kind: 'transcript', turn, text: `words ${turn.number}`, final: true, voicedMs: 900 },
      () => {},
    );
    await settle();
  };
  return { clock, call, llm, stage, hear, told, messages };
}

test('tells its verdict, to the agent and to the client', async () => {
  const { hear, told, call } = setUp([[fair]]);
  await hear(new Turn(1, 'speech'));
  expect(told).toEqual([{ fair: true }]);
  expect(call.events).toEqual([{ type: 'custom', name: 'verdict', data: { fair: true } }]);
});

test('asks at once, and tells nothing of words that may go on', async () => {
  const { hear, told, llm } = setUp([[fair]]);
  const guessed = new Turn(1, 'speech');
  guessed.speculate();
  await hear(guessed);
  expect([llm.requests.length, told.length]).toEqual([1, 0]);
  guessed.confirm();
  await settle();
  expect(told).toHaveLength(1);
  const dropped = new Turn(2, 'speech');
  dropped.speculate();
  await hear(dropped);
  dropped.abort('continued');
  await settle();
  expect(told).toHaveLength(1);
});

test('gives up a question that the next words overtake', async () => {
  const { hear, told, llm } = setUp([[{ waits: new Promise(() => {}) }], [fair]]);
  await hear(new Turn(1, 'speech'));
  await hear(new Turn(2, 'speech'));
  expect(llm.requests[0]!.signal.aborted).toBe(true);
  expect(told).toHaveLength(1);
});

test.each([
  ['talks instead', ['I think it is fair.']],
  ['writes no verdict', [{ call: 'give_verdict', with: { fair: 'perhaps' } }]],
  ['writes no JSON', [{ call: 'give_verdict', with: '{fair' }]],
  ['fails', [{ fails: new Error('no') }]],
] satisfies [string, ScriptedPart[]][])('that %s is logged and observed, and holds up nobody', async (_how, answer) => {
  const { hear, told, call, messages } = setUp([answer]);
  await hear(new Turn(1, 'speech'));
  expect(told).toEqual([]);
  expect(call.observations).toMatchObject([{ type: 'service-failed', kind: 'llm', code: 'ERR_SERVICE_FAILED' }]);
  expect(messages()).toEqual(['the judge gave no verdict']);
});

test('that never answers is given up', async () => {
  const { hear, call, clock } = setUp([[{ waits: new Promise(() => {}) }]]);
  await hear(new Turn(1, 'speech'));
  clock.advance(20_000);
  await settle();
  expect(call.observations).toMatchObject([{ type: 'service-failed', code: 'ERR_SERVICE_TIMEOUT' }]);
  expect(clock.pendingCount).toBe(0);
});

test("does not blame the model for the agent's own mistake", async () => {
  const { hear, call, messages } = setUp([[fair]], () => {
    throw new Error('no');
  });
  await hear(new Turn(1, 'speech'));
  expect(messages()).toEqual(['a verdict could not be taken']);
  expect([call.observations, call.events]).toEqual([[], []]);
});

test('asks nothing more once it is closed', async () => {
  const { hear, stage, llm } = setUp([[{ waits: new Promise(() => {}) }]]);
  await hear(new Turn(1, 'speech'));
  stage.close();
  stage.close();
  expect(llm.requests[0]!.signal.aborted).toBe(true);
});
