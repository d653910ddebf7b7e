import { describe, expect, test } from 'vitest';
import { Conversation } from '../../../src/agent/index.ts';
import { type SummarizeOptions, summarize } from '../../../src/agent/stages/summarize.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { AntipodeError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { ScriptedLlm } from '../../support/scripted-llm.ts';

const settle = async () => {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
};

const never = new Promise<never>(() => {});
const LONG = 'I talk and talk and talk about nothing. '.repeat(10);

function setUp(answers: ConstructorParameters<typeof ScriptedLlm>[0], options: Partial<SummarizeOptions> = {}) {
  const clock = new FakeClock();
  const { log, messages } = recordingLog();
  const call = new MemoryCall({ clock, log });
  const llm = new ScriptedLlm(answers);
  const conversation = new Conversation();
  const stage = summarize({ call, llm, conversation, maxTokens: 400, keepEntries: 2, ...options });
  let number = 1;
  /** A whole turn: the caller speaks at length, the agent answers. */
  const talk = async () => {
    const turn = new Turn(number++, 'speech');
    conversation.callerSaid(turn, `${turn.number}: ${LONG}`);
    await stage.process({ kind: 'turn-ended', turn, text: null, voicedMs: 900 }, () => {});
    conversation.agentSaid(turn, 'I see.', false);
    turn.finish();
    await settle();
  };
  const roles = () => conversation.entries.map(({ role, turn }) => `${role} ${turn}`);
  return { clock, call, llm, conversation, stage, talk, roles, messages };
}

describe('the summarizing stage', () => {
  test('does nothing within the budget', async () => {
    const { talk, llm } = setUp([['A summary.']]);
    for (let turns = 0; turns < 3; turns++) await talk();
    expect(llm.requests).toHaveLength(0);
  });

  test('replaces the oldest entries beyond it by what the model makes of them, and says so', async () => {
    const { talk, llm, call, roles, conversation } = setUp([['The caller ', 'talks.']]);
    for (let turns = 0; turns < 4; turns++) await talk();
    expect(roles()).toEqual(['summary 3', 'caller 4', 'agent 4']);
    expect(conversation.entries[0]).toMatchObject({ text: 'The caller talks.' });
    expect(call.observations).toEqual([{ type: 'context-summarized', entries: 6, atMs: 1_000 }]);
    const [request] = llm.requests;
    expect(request).toMatchObject({ tools: [], said: '', entries: [{ role: 'caller' }] });
    expect(request!.entries[0]).toMatchObject({
      text: expect.stringMatching(/^Caller: 1: I talk.*\nAgent: I see\.\n/),
    });
  });

  test('sums up a summary with what came after it', async () => {
    const { talk, llm, roles } = setUp([['First.'], ['Second.']]);
    for (let turns = 0; turns < 7; turns++) await talk();
    expect(roles()).toEqual(['summary 6', 'caller 7', 'agent 7']);
    expect(llm.requests[1]!.entries[0]).toMatchObject({
      text: expect.stringMatching(/^Before that: First\.\nCaller: 4/),
    });
  });

  test('holds up no turn, and what is said meanwhile stays', async () => {
    let answer = () => {};
    const waits = new Promise<void>((resolve) => (answer = resolve));
    const { talk, roles, llm } = setUp([[{ waits }, 'The caller talks.']]);
    for (let turns = 0; turns < 6; turns++) await talk();
    expect(roles()).toHaveLength(12);
    answer();
    await settle();
    expect(llm.requests).toHaveLength(1);
    expect(roles()).toEqual(['summary 3', 'caller 4', 'agent 4', 'caller 5', 'agent 5', 'caller 6', 'agent 6']);
  });

  test('drops a summary of what is no longer there', async () => {
    let answer = () => {};
    const waits = new Promise<void>((resolve) => (answer = resolve));
    const { talk, conversation, messages, call } = setUp([[{ waits }, 'The caller talks.']]);
    for (let turns = 0; turns < 4; turns++) await talk();
    conversation.callerSaid(new Turn(1, 'speech'), 'something else');
    answer();
    await settle();
    expect(conversation.entries).toHaveLength(8);
    expect(messages()).toEqual(['a summary was dropped: the context has changed under it']);
    expect(call.observations).toEqual([]);
  });

  test.each([
    ['fails', [{ fails: new AntipodeError('ERR_SERVICE_UNAVAILABLE', 'No.') }], 'ERR_SERVICE_UNAVAILABLE'],
    ['says nothing', [], 'ERR_SERVICE_FAILED'],
    ['says more than there was', [LONG.repeat(5)], 'ERR_SERVICE_FAILED'],
  ])('keeps every entry when the model %s, and tries again later', async (_how, answer, code) => {
    const { talk, roles, call, clock, llm, messages } = setUp([answer, ['The caller talks.']]);
    for (let turns = 0; turns < 5; turns++) await talk();
    expect(roles()).toHaveLength(10);
    expect(llm.requests).toHaveLength(1);
    expect(call.observations).toMatchObject([{ type: 'service-failed', turn: null, kind: 'llm', code }]);
    expect(messages()).toEqual(['the context was not summarized']);
    clock.advance(30_000);
    await talk();
    expect(roles()).toEqual(['summary 5', 'caller 6', 'agent 6']);
  });

  test('gives up a model that does not answer', async () => {
    const { talk, roles, call, clock } = setUp([[{ waits: never }]], { timeoutMs: 8_000 });
    for (let turns = 0; turns < 4; turns++) await talk();
    clock.advance(8_000);
    await settle();
    expect(roles()).toHaveLength(8);
    expect(call.observations).toMatchObject([{ type: 'service-failed', code: 'ERR_SERVICE_TIMEOUT' }]);
    expect(clock.pendingCount).toBe(0);
  });

  test('lets go at the end of the call, and says nothing of that', async () => {
    const { talk, stage, llm, call, clock, messages } = setUp([[{ waits: never }]]);
    for (let turns = 0; turns < 4; turns++) await talk();
    stage.close();
    stage.close();
    await settle();
    expect(llm.requests[0]!.signal.aborted).toBe(true);
    expect([call.observations.length, messages().length, clock.pendingCount]).toEqual([0, 0, 0]);
    await talk();
    expect(llm.requests).toHaveLength(1);
  });
});
