import { describe, expect, test } from 'vitest';
import {
  applyChange,
  Conversation,
  type ConversationChange,
  type ConversationEntry,
  conversationChangeSchema,
} from '../../src/agent/index.ts';
import { Turn, type TurnAbortReason } from '../../src/agent/turn.ts';

const call = (callId: string) => ({ callId, name: 'get_time', arguments: '{}' });
const words = ({ entries }: Conversation) =>
  entries.map((entry) => `${entry.role} ${entry.turn}: ${entry.role === 'tool' ? entry.result : entry.text}`);

describe('Conversation', () => {
  test('keeps the words of both, and the tools, in order', () => {
    const conversation = new Conversation();
    const turn = new Turn(1, 'speech');
    conversation.callerSaid(turn, 'what time is it');
    conversation.toolAnswered(turn, call('c'), '"noon"');
    conversation.agentSaid(turn, 'It is', true);
    conversation.agentSaid(turn, '', true);
    expect(conversation.entries.map((entry) => entry.role)).toEqual(['caller', 'tool', 'agent']);
  });

  test('replaces the words of an unheard turn, where they stood, by those of the turn that carries it on', () => {
    const changes: ConversationChange[] = [];
    const conversation = new Conversation({ onChange: (change) => void changes.push(change) });
    const first = new Turn(1, 'speech');
    conversation.callerSaid(first, 'I would like');
    conversation.toolAnswered(first, call('c'), 'noon');
    first.abort('continued');
    conversation.callerSaid(new Turn(2, 'speech', first), 'I would like a table');
    expect(words(conversation)).toEqual(['caller 2: I would like a table', 'tool 1: noon']);
    expect(changes.at(-1)).toEqual({
      at: 0,
      removed: 1,
      added: [{ role: 'caller', turn: 2, text: 'I would like a table' }],
    });
  });

  test('takes back the words of a turn that had none in the end', () => {
    const conversation = new Conversation();
    const turn = new Turn(1, 'speech');
    conversation.callerSaid(turn, 'uh');
    conversation.callerSaid(turn, '');
    expect(conversation.entries).toEqual([]);
  });

  test('has a tool call from its beginning, and its answer in the same place', () => {
    const conversation = new Conversation();
    const turn = new Turn(1, 'speech');
    const open = conversation.toolCalled(turn, call('c'));
    conversation.agentSaid(turn, 'One moment.', false);
    expect(conversation.entries[0]).toMatchObject({ pending: true });
    open.answer('noon');
    open.answer('midnight');
    expect(words(conversation)).toEqual(['tool 1: noon', 'agent 1: One moment.']);
    expect(conversation.entries[0]).not.toHaveProperty('pending');
  });

  test('still has the answer of a tool whose beginning it has let go', () => {
    const conversation = new Conversation({ maxEntries: 1 });
    const open = conversation.toolCalled(new Turn(1, 'speech'), call('c'));
    conversation.callerSaid(new Turn(2, 'speech'), 'hello');
    open.answer('noon');
    expect(words(conversation)).toEqual(['tool 1: noon']);
  });

  test('keeps what was read of it as it was', () => {
    const conversation = new Conversation();
    conversation.callerSaid(new Turn(1, 'speech'), 'one');
    const before = conversation.entries;
    conversation.callerSaid(new Turn(2, 'speech'), 'two');
    expect(before).toHaveLength(1);
  });

  test('puts a summary in the place of its oldest entries, and only if these are still there', () => {
    const conversation = new Conversation();
    for (const number of [1, 2, 3]) conversation.callerSaid(new Turn(number, 'speech'), `word ${number}`);
    const oldest = conversation.entries.slice(0, 2);
    expect(conversation.summarized(oldest, 'Two words.')).toBe(true);
    expect(words(conversation)).toEqual(['summary 2: Two words.', 'caller 3: word 3']);
    expect(conversation.summarized(oldest, 'Two words again.')).toBe(false);
    expect(conversation.summarized(conversation.entries, '')).toBe(false);
    expect(conversation.entries).toHaveLength(2);
  });

  test('goes on elsewhere from what it was exported as', () => {
    const here = new Conversation();
    here.callerSaid(new Turn(1, 'speech'), 'hello');
    here.agentSaid(new Turn(1, 'speech'), 'Good day.', false);
    here.summarized(here.entries, 'They met.');
    here.callerSaid(new Turn(2, 'speech'), 'well');
    const there = Conversation.import(JSON.parse(JSON.stringify(here.export())));
    expect(there.entries).toEqual(here.entries);
    there.callerSaid(new Turn(3, 'speech'), 'goodbye');
    expect(here.entries).toHaveLength(2);
    expect(there.entries).toHaveLength(3);
  });

  test('reads what an older version exported', () => {
    const entries: ConversationEntry[] = [{ role: 'caller', turn: 1, text: 'hello' }];
    expect(Conversation.import({ version: 1, entries }).export()).toEqual({ version: 2, entries });
  });

  test('tells the model of a tool that ran elsewhere that nobody knows what became of it', () => {
    const here = new Conversation();
    here.toolCalled(new Turn(1, 'speech'), call('c'));
    expect(Conversation.import(here.export()).entries).toEqual([
      { role: 'tool', turn: 1, ...call('c'), result: '{"error":"it is not known whether this was done"}' },
    ]);
  });

  test.each([
    [null, ''],
    [{ version: 3, entries: [] }, 'version'],
    [{ version: 1, entries: [{ role: 'ghost', turn: 1, text: 'boo' }] }, 'entries.0.role'],
    [{ version: 1, entries: [{ role: 'caller', turn: -1, text: 'x' }] }, 'entries.0.turn'],
  ])('refuses %j, which is none', (snapshot, path) => {
    expect(() => Conversation.import(snapshot)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', path }),
    );
  });

  test('lets the oldest go beyond its bound, but no summary', () => {
    const conversation = new Conversation({ maxEntries: 3 });
    for (const number of [1, 2, 3]) conversation.callerSaid(new Turn(number, 'speech'), `word ${number}`);
    conversation.callerSaid(new Turn(4, 'speech'), 'word 4');
    expect(conversation.entries.map(({ turn }) => turn)).toEqual([2, 3, 4]);
    conversation.summarized(conversation.entries.slice(0, 2), 'Words.');
    for (const number of [5, 6]) conversation.callerSaid(new Turn(number, 'speech'), `word ${number}`);
    expect(words(conversation)).toEqual(['summary 3: Words.', 'caller 5: word 5', 'caller 6: word 6']);
  });
});

/** Numbers that look random and are the same every time. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'whoever applies all changes has the same context (seed %i)',
  (seed) => {
    const random = seeded(seed + 1);
    let replica: ConversationEntry[] = [];
    const conversation = new Conversation({
      maxEntries: 4 + random(12),
      onChange(change) {
        const told = conversationChangeSchema.parse(JSON.parse(JSON.stringify(change)));
        replica = applyChange(replica, told);
      },
    });
    const turns = [new Turn(0, 'call')];
    const open: ReturnType<Conversation['toolCalled']>[] = [];
    const reasons: TurnAbortReason[] = ['interrupted', 'continued', 'rejected'];
    for (let step = 0; step < 120; step++) {
      const turn = turns.at(-1)!;
      switch (random(8)) {
        case 0: {
          turn.abort(reasons[random(3)]!);
          turns.push(new Turn(turns.length, 'speech', turn.signal.reason === 'continued' ? turn : null));
          break;
        }
        case 1:
        case 2:
          conversation.callerSaid(turn, random(5) === 0 ? '' : `words ${step}`);
          break;
        case 3:
          conversation.agentSaid(turn, `reply ${step}`, random(2) === 0);
          break;
        case 4:
          open.push(conversation.toolCalled(turn, call(`c${step}`)));
          break;
        case 5:
          open[random(open.length)]?.answer(`answer ${step}`);
          break;
        case 6:
          open[random(open.length)]?.withdraw();
          break;
        case 7:
          if (random(4) === 0) conversation.summarized(conversation.entries.slice(0, random(6)), `summary ${step}`);
      }
      expect(replica).toEqual(conversation.export().entries);
    }
    expect(replica.length).toBeGreaterThan(0);
  },
);
