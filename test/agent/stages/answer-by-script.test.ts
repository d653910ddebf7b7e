import { expect, test } from 'vitest';
import { answerByScript, type Frame, type Script } from '../../../src/agent/index.ts';
import { Turn, type TurnAbortReason } from '../../../src/agent/turn.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryCall } from '../../support/memory-call.ts';
import { recordingLog } from '../../support/recording-log.ts';

/** Says how many steps it has taken. */
const counting: Script<number> = {
  initial: 0,
  greet: (state) => ({ state, say: 'Hello.' }),
  respond(state, words) {
    if (words === 'break') throw new Error('broken');
    return { state: state + 1, say: `${state + 1}`, ...(words === 'bye' && { hangUp: 'Done.' }) };
  },
  apology: (error) => `Sorry: ${error.code}.`,
};

function setUp() {
  const { log, messages } = recordingLog();
  const call = new MemoryCall({ clock: new FakeClock(), log });
  const stage = answerByScript({ call, script: counting });
  const answer = async (turn: Turn, text: string) => {
    const frames: Frame[] = [];
    await stage.process(
      { kind: 'transcript', turn, text, final: true, voicedMs: 0 },
      (frame) => void frames.push(frame),
    );
    return frames.flatMap((frame) => (frame.kind === 'reply-text' ? [frame.text] : [])).join('');
  };
  return { answer, messages, stage };
}

test.each([
  ['interrupted', null, '2'],
  ['continued', 'it', '1'],
  ['rejected', null, '1'],
] satisfies [TurnAbortReason, string | null, string][])(
  'a step whose turn was %s counts only if it was heard of',
  async (reason, continued, next) => {
    const { answer } = setUp();
    const first = new Turn(1, 'speech');
    expect(await answer(first, 'one')).toBe('1');
    first.abort(reason);
    expect(await answer(new Turn(2, 'speech', continued === null ? null : first), 'two')).toBe(next);
  },
);

test('a script that throws is logged and apologized for, and goes on from where it was', async () => {
  const { answer, messages } = setUp();
  expect(await answer(new Turn(1, 'text'), 'one')).toBe('1');
  expect(await answer(new Turn(2, 'text'), 'break')).toBe('\nSorry: ERR_AGENT_FAILED.');
  expect(messages()).toEqual(['the script failed']);
  expect(await answer(new Turn(3, 'text'), 'two')).toBe('2');
});

test('ends the call with the words that it was told', async () => {
  const { stage } = setUp();
  const frames: Frame[] = [];
  const turn = new Turn(1, 'text');
  await stage.process(
    { kind: 'transcript', turn, text: 'bye', final: true, voicedMs: 0 },
    (each) => void frames.push(each),
  );
  expect(frames.at(-1)).toMatchObject({ kind: 'reply-ended', hangUp: 'Done.' });
});
