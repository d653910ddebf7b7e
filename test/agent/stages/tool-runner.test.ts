import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Conversation, hangUpTool, type Tool } from '../../../src/agent/index.ts';
import { ToolRunner } from '../../../src/agent/stages/tool-runner.ts';
import { Turn } from '../../../src/agent/turn.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { recordingLog } from '../../support/recording-log.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A tool whose end is in the test's hands. */
function held() {
  const runs: { signal: AbortSignal; end(result: string): void; fail(error: Error): void }[] = [];
  const run: Tool['run'] = (_input, { signal }) =>
    new Promise((resolve, reject) => runs.push({ signal, end: resolve, fail: reject }));
  return { runs, run };
}

function setUp(run: Tool['run'], more: Partial<Tool> = {}) {
  const clock = new FakeClock();
  const { log, lines, messages } = recordingLog();
  const call = new MemoryCall({ clock, log });
  const conversation = new Conversation();
  const reasons: string[] = [];
  const said: string[] = [];
  const tool: Tool = { name: 'look', description: 'Looks.', parameters: z.object({ at: z.string() }), run, ...more };
  const other: Tool = { ...tool, name: 'other' };
  const runner = new ToolRunner({ call, tools: [tool, other], conversation });
  const reply = { hangUp: (reason: string) => reasons.push(reason), filler: (words: string) => said.push(words) };
  const turn = new Turn(1, 'speech');
  let calls = 0;
  const ask = (written: string, name = 'look', of = turn) =>
    runner.run({ type: 'tool-call', callId: `c${++calls}`, name, arguments: written }, of, reply);
  const results = () => conversation.entries.flatMap((entry) => (entry.role === 'tool' ? [entry.result] : []));
  const outcomes = () =>
    call.observations.flatMap((seen) => (seen.type === 'tool-ended' ? [`${seen.name} ${seen.outcome}`] : []));
  return { clock, turn, ask, reasons, said, conversation, results, call, outcomes, lines, messages, runner, reply };
}

const HOME = '{"at":"home"}';

describe('ToolRunner', () => {
  test('gives a tool what the model wrote, validated, and the model what the tool said', async () => {
    const { ask, reasons, conversation, call } = setUp((input, context) => {
      context.hangUpAfterReply('done');
      return `seen ${(input as { at: string }).at}`;
    });
    expect(await ask(HOME)).toBe('seen home');
    expect(reasons).toEqual(['done']);
    expect(conversation.entries).toEqual([
      { role: 'tool', turn: 1, callId: 'c1', name: 'look', arguments: HOME, result: 'seen home' },
    ]);
    expect(call.observations).toEqual([
      { type: 'tool-started', turn: 1, callId: 'c1', name: 'look', atMs: 1_000 },
      { type: 'tool-ended', turn: 1, callId: 'c1', name: 'look', startedAtMs: 1_000, atMs: 1_000, outcome: 'ok' },
    ]);
  });

  test('answers the model, not the caller, when a call cannot be run, and observes why', async () => {
    const { ask, outcomes, messages } = setUp(() => 'never');
    expect(await ask('{"at":1}')).toMatch(/^\{"error":"at: /);
    expect(await ask('{at')).toBe('{"error":"the arguments are not JSON"}');
    expect(await ask('{}', 'fly')).toBe('{"error":"there is no tool \\"fly\\""}');
    expect(outcomes()).toEqual(['look invalid-arguments', 'look invalid-arguments', 'fly unknown-tool']);
    expect(messages()).toEqual(Array(3).fill('a tool call could not be run'));
  });

  test('records only calls that every service takes back as history', async () => {
    const { ask, conversation } = setUp(() => 'never');
    await ask('{at', 'look');
    await ask('"home"', 'look');
    await ask('{}', 'fly to the moon! '.repeat(10));
    expect(conversation.entries.map((entry) => entry.role === 'tool' && entry.arguments)).toEqual(['{}', '{}', '{}']);
    expect(conversation.entries[2]).toMatchObject({ name: expect.stringMatching(/^fly_to_the_moon_[a-z_]{48}$/) });
  });

  test.each([
    ['throws', () => Promise.reject(new Error('secret'))],
    [
      'throws at once',
      () => {
        throw new Error('secret');
      },
    ],
  ])('keeps the words of a tool that %s to the log', async (_how, run) => {
    const { ask, lines, outcomes } = setUp(run);
    expect(await ask(HOME)).toBe('{"error":"it failed"}');
    expect(outcomes()).toEqual(['look failed']);
    expect(lines).toMatchObject([{ level: 'warn', message: 'a tool failed', fields: { err: { message: 'secret' } } }]);
  });

  test('gives the model JSON when a tool written without types answers with no text', async () => {
    const { ask } = setUp((() => ({ found: 2 })) as unknown as Tool['run']);
    expect(await ask(HOME)).toBe('{"found":2}');
    expect(await setUp((() => undefined) as unknown as Tool['run']).ask(HOME)).toBe('null');
  });

  test('gives up a tool that never returns, tells it so, and leaves no timer', async () => {
    const { run, runs } = held();
    const { clock, ask, outcomes } = setUp(run, { timeoutMs: 300 });
    const answer = ask(HOME);
    await settle();
    clock.advance(299);
    expect(runs[0]!.signal.aborted).toBe(false);
    clock.advance(1);
    expect(await answer).toBe('{"error":"it took too long"}');
    expect(runs[0]!.signal.aborted).toBe(true);
    expect(outcomes()).toEqual(['look timed-out']);
    expect(clock.pendingCount).toBe(0);
  });

  test('drops and logs the answer of a tool that ignores its signal', async () => {
    const { run, runs } = held();
    const { clock, ask, results, lines, reasons } = setUp(run, { timeoutMs: 300 });
    const answer = ask(HOME);
    clock.advance(300);
    await answer;
    clock.advance(200);
    runs[0]!.end('late');
    await settle();
    expect(results()).toEqual(['{"error":"it took too long"}']);
    expect(lines.at(-1)).toMatchObject({
      message: 'a tool ended late: dropped',
      fields: { tool: 'look', lateMs: 200 },
    });
    expect(reasons).toEqual([]);
  });

  test('ends with the turn', async () => {
    const { run, runs } = held();
    const { clock, turn, ask, results, outcomes } = setUp(run);
    const answer = ask(HOME);
    await settle();
    turn.abort('interrupted');
    expect(await answer).toBe('{"error":"the caller interrupted before it was done"}');
    expect(runs[0]!.signal.aborted).toBe(true);
    expect(results()).toEqual(['{"error":"the caller interrupted before it was done"}']);
    expect(outcomes()).toEqual(['look cancelled']);
    expect(clock.pendingCount).toBe(0);
  });

  test('drops and logs what a tool answers after the caller interrupted', async () => {
    const { run, runs } = held();
    const { clock, turn, ask, results, messages } = setUp(run);
    const answer = ask(HOME);
    turn.abort('interrupted');
    await answer;
    clock.advance(50);
    runs[0]!.end('late');
    await settle();
    expect(results()).toEqual(['{"error":"the caller interrupted before it was done"}']);
    expect(messages()).toEqual(['a tool ended late: dropped']);
  });

  test('cuts an answer that no model should be given whole', async () => {
    const answer = await setUp(() => 'x'.repeat(50_000)).ask(HOME);
    expect(answer.length).toBeLessThan(17_000);
    expect(answer.endsWith('[cut]')).toBe(true);
  });

  test('runs the calls of a round side by side and records them in their order', async () => {
    const { run, runs } = held();
    const { ask, conversation } = setUp(run);
    const answers = [ask(HOME), ask(HOME, 'other')];
    expect(runs).toHaveLength(2);
    runs[1]!.end('second');
    await settle();
    expect(conversation.entries).toMatchObject([
      { callId: 'c1', pending: true },
      { callId: 'c2', result: 'second' },
    ]);
    runs[0]!.end('first');
    expect(await Promise.all(answers)).toEqual(['first', 'second']);
    expect(conversation.entries.map((entry) => entry.role === 'tool' && [entry.callId, entry.result])).toEqual([
      ['c1', 'first'],
      ['c2', 'second'],
    ]);
  });

  test('does not run more calls of one round than it may, and says so once', async () => {
    let ran = 0;
    const { runner, turn, reply, results, outcomes } = setUp(() => `${++ran}`);
    const calls = Array.from({ length: 100 }, (_, index) => ({
      type: 'tool-call' as const,
      callId: `c${index}`,
      name: 'look',
      arguments: HOME,
    }));
    await runner.runAll(calls, turn, reply);
    expect(ran).toBe(16);
    expect(results()).toHaveLength(17);
    expect(results()).toContain('{"error":"too many calls at once: the last 84 were not run"}');
    expect(outcomes().filter((outcome) => outcome === 'look failed')).toHaveLength(1);
  });
});

describe('a tool that is kept on an interruption', () => {
  test('runs to its end; the context says meanwhile that it runs, then once what it answered', async () => {
    const { run, runs } = held();
    const { clock, turn, ask, conversation, outcomes } = setUp(run, { keepOnInterruption: true });
    const answer = ask(HOME);
    turn.abort('interrupted');
    expect(await answer).toBe('{"error":"it still runs"}');
    expect(runs[0]!.signal.aborted).toBe(false);
    expect(conversation.entries).toMatchObject([{ pending: true, result: expect.stringContaining('still running') }]);
    conversation.callerSaid(new Turn(2, 'speech'), 'Wait, for three people.');
    clock.advance(2_000);
    runs[0]!.end('booked');
    await settle();
    expect(conversation.entries).toEqual([
      { role: 'tool', turn: 1, callId: 'c1', name: 'look', arguments: HOME, result: 'booked' },
      { role: 'caller', turn: 2, text: 'Wait, for three people.' },
    ]);
    expect(outcomes()).toEqual(['look ok']);
    expect(clock.pendingCount).toBe(0);
  });

  test('is not cut when the call ends, and has no more than its time', async () => {
    const { run, runs } = held();
    const { clock, turn, ask, outcomes } = setUp(run, { keepOnInterruption: true, timeoutMs: 5_000 });
    void ask(HOME);
    turn.abort('closed');
    clock.advance(4_999);
    expect(runs[0]!.signal.aborted).toBe(false);
    clock.advance(1);
    await settle();
    expect(runs[0]!.signal.aborted).toBe(true);
    expect(outcomes()).toEqual(['look timed-out']);
  });
});

describe('a turn that may not be over', () => {
  const uncertain = () => {
    const turn = new Turn(3, 'speech');
    turn.speculate();
    return turn;
  };

  test('runs nothing that changes something until it is certain', async () => {
    let ran = 0;
    const { ask, conversation } = setUp(() => `${++ran}`);
    const turn = uncertain();
    const answer = ask(HOME, 'look', turn);
    await settle();
    expect([ran, conversation.entries.length]).toEqual([0, 0]);
    turn.confirm();
    expect(await answer).toBe('1');
    expect(conversation.entries).toHaveLength(1);
  });

  test('never runs it when the caller goes on', async () => {
    let ran = 0;
    const { ask, conversation, call } = setUp(() => `${++ran}`);
    const turn = uncertain();
    const answer = ask(HOME, 'look', turn);
    turn.abort('continued');
    expect(await answer).toBe('{"error":"the caller went on before it began"}');
    expect([ran, conversation.entries.length, call.observations.length]).toEqual([0, 0, 0]);
  });

  test('runs what is idempotent at once, and forgets it when the caller goes on', async () => {
    let ran = 0;
    const { ask, conversation } = setUp(() => `${++ran}`, { idempotent: true });
    const turn = uncertain();
    expect(await ask(HOME, 'look', turn)).toBe('1');
    expect(conversation.entries).toHaveLength(1);
    turn.abort('continued');
    expect(conversation.entries).toEqual([]);
  });

  test('keeps what changed something although the caller went on', async () => {
    const { ask, conversation } = setUp(() => 'booked');
    const turn = new Turn(4, 'speech');
    conversation.callerSaid(turn, 'Book a table');
    await ask(HOME, 'look', turn);
    turn.abort('continued');
    conversation.callerSaid(new Turn(5, 'speech', turn), 'Book a table for two');
    expect(conversation.entries).toMatchObject([{ text: 'Book a table for two' }, { result: 'booked' }]);
  });
});

describe('what is said while a tool runs long', () => {
  test('comes after the time of the tool, once', async () => {
    const { run, runs } = held();
    const { clock, ask, said } = setUp(run, { filler: 'One moment.', fillerAfterMs: 500, timeoutMs: 60_000 });
    const answer = ask(HOME);
    clock.advance(499);
    expect(said).toEqual([]);
    clock.advance(1);
    expect(said).toEqual(['One moment.']);
    clock.advance(30_000);
    expect(said).toEqual(['One moment.']);
    runs[0]!.end('done');
    await answer;
    expect(clock.pendingCount).toBe(0);
  });

  test('is nothing when the tool is quick or the caller interrupts', async () => {
    const { run, runs } = held();
    const { clock, turn, ask, said } = setUp(run, { filler: 'One moment.' });
    const quick = ask(HOME);
    clock.advance(600);
    runs[0]!.end('done');
    await quick;
    void ask(HOME);
    clock.advance(600);
    turn.abort('interrupted');
    clock.advance(9_000);
    expect(said).toEqual([]);
  });

  test('is one sentence at a time, whatever many tools run', async () => {
    const { run } = held();
    const { clock, ask, said } = setUp(run, { filler: ['One moment.', 'Almost there.'], timeoutMs: 60_000 });
    void ask(HOME);
    void ask(HOME, 'other');
    clock.advance(4_000);
    expect(said).toEqual(['One moment.']);
    clock.advance(1_000);
    expect(said).toEqual(['One moment.', 'Almost there.']);
    clock.advance(50_000);
    expect(said).toEqual(['One moment.', 'Almost there.']);
  });

  test('goes on with the next sentence in the next turn', async () => {
    const { run } = held();
    const { clock, turn, ask, said } = setUp(run, { filler: ['One moment.', 'Let me see.'], timeoutMs: 2_000 });
    const first = ask(HOME);
    clock.advance(2_000);
    await first;
    turn.finish();
    void ask(HOME, 'look', new Turn(2, 'speech'));
    clock.advance(1_000);
    expect(said).toEqual(['One moment.', 'Let me see.']);
  });

  test("keeps its distance from the model's own words", async () => {
    const { run } = held();
    const { clock, turn, ask, said, runner } = setUp(run, { filler: 'One moment.', timeoutMs: 60_000 });
    runner.spoke(turn);
    void ask(HOME);
    clock.advance(3_999);
    expect(said).toEqual([]);
    clock.advance(1);
    expect(said).toEqual(['One moment.']);
  });

  test('waits for the turn to be certain', async () => {
    const { run } = held();
    const { clock, ask, said } = setUp(run, { filler: 'One moment.', idempotent: true });
    const turn = new Turn(2, 'speech');
    turn.speculate();
    void ask(HOME, 'look', turn);
    clock.advance(5_000);
    expect(said).toEqual([]);
    turn.confirm();
    clock.advance(700);
    expect(said).toEqual(['One moment.']);
  });
});

test('the tool that hangs up says why, and tells the model what will happen', async () => {
  const reasons: string[] = [];
  const tool = hangUpTool({ description: 'When all is said.', reason: 'All was said.' });
  expect(tool).toMatchObject({ name: 'hang_up', description: 'When all is said.' });
  const { signal } = new AbortController();
  expect(await tool.run({}, { signal, hangUpAfterReply: (reason) => reasons.push(reason) })).toMatch(/goodbye/);
  expect(reasons).toEqual(['All was said.']);
});

describe('a tool in a call that another core could go on with', () => {
  /** A journal that is kept elsewhere when the test says so. */
  function journaled(more: Partial<Tool> = {}) {
    const kept = Promise.withResolvers<void>();
    let runs = 0;
    const run: Tool['run'] = () => {
      runs += 1;
      return 'done';
    };
    const rig = setUp(run, more);
    Object.assign(rig.call, { journal: { note: () => {}, kept: () => kept.promise } });
    return { ...rig, kept, runs: () => runs };
  }

  test('does not run before it is known elsewhere that it begins', async () => {
    const { ask, kept, runs, conversation } = journaled();
    const asked = ask(HOME);
    await settle();
    expect(runs()).toBe(0);
    expect(conversation.entries).toMatchObject([{ role: 'tool', name: 'look', pending: true }]);
    kept.resolve();
    expect(await asked).toBe('done');
    expect(runs()).toBe(1);
  });

  test('runs at once when it may be run twice', async () => {
    const { ask, runs } = journaled({ idempotent: true });
    expect(await ask(HOME)).toBe('done');
    expect(runs()).toBe(1);
  });

  test.each([false, true])(
    'does not run when its turn is over first (kept on an interruption: %s)',
    async (keepOnInterruption) => {
      const { ask, kept, runs, turn, outcomes } = journaled({ keepOnInterruption });
      const asked = ask(HOME);
      await settle();
      turn.abort('interrupted');
      await asked;
      kept.resolve();
      await settle();
      expect(runs()).toBe(0);
      expect(outcomes()).toEqual(['look cancelled']);
    },
  );

  test('does not run when the call ends before anybody knows', async () => {
    const { ask, kept, runs } = journaled();
    const asked = ask(HOME);
    kept.reject(new Error('ended'));
    expect(await asked).toContain('before it began');
    expect(runs()).toBe(0);
  });
});
