import { describe, expect, test } from 'vitest';
import { Conversation, type ConversationEntry } from '../../src/agent/index.ts';
import { Turn } from '../../src/agent/turn.ts';

describe('Conversation', () => {
  test('keeps the words of both, and the tools, in order', () => {
    const conversation = new Conversation();
    const turn = new Turn(1, 'speech');
    conversation.callerSaid(turn, 'what time is it');
    conversation.toolAnswered(turn, { callId: 'c', name: 'get_time', arguments: '{}' }, '"noon"');
    conversation.agentSaid(turn, 'It is', true);
    conversation.agentSaid(turn, '', true);
    expect(conversation.entries.map((entry) => entry.role)).toEqual(['caller', 'tool', 'agent']);
  });

  test('replaces the words of an unheard turn by those of the turn that carries it on', () => {
    const changes: [string, readonly number[]][] = [];
    const onChange = (entry: ConversationEntry, replaced: readonly number[]) =>
      void changes.push([entry.role === 'caller' ? entry.text : entry.role, replaced]);
    const conversation = new Conversation({ onChange });
    const first = new Turn(1, 'speech');
    conversation.callerSaid(first, 'I would like');
    first.abort('continued');
    conversation.callerSaid(new Turn(2, 'speech', first), 'I would like a table');
    expect(conversation.entries).toEqual([{ role: 'caller', turn: 2, text: 'I would like a table' }]);
    expect(changes).toEqual([
      ['I would like', [1]],
      ['I would like a table', [2, 1]],
    ]);
  });

  test('goes on elsewhere from what it was exported as', () => {
    const here = new Conversation();
    here.callerSaid(new Turn(1, 'speech'), 'hello');
    here.agentSaid(new Turn(1, 'speech'), 'Good day.', false);
    const there = Conversation.import(JSON.parse(JSON.stringify(here.export())));
    expect(there.entries).toEqual(here.entries);
    there.callerSaid(new Turn(2, 'speech'), 'goodbye');
    expect(here.entries).toHaveLength(2);
    expect(there.entries).toHaveLength(3);
  });

  test.each([
    [null, ''],
    [{ version: 2, entries: [] }, 'version'],
    [{ version: 1, entries: [{ role: 'ghost', turn: 1, text: 'boo' }] }, 'entries.0.role'],
    [{ version: 1, entries: [{ role: 'caller', turn: -1, text: 'x' }] }, 'entries.0.turn'],
  ])('refuses %j, which is none', (snapshot, path) => {
    expect(() => Conversation.import(snapshot)).toThrow(
      expect.objectContaining({ code: 'ERR_REQUEST_MALFORMED', path }),
    );
  });

  test('lets the oldest go beyond its bound', () => {
    const conversation = new Conversation({ maxEntries: 2 });
    for (const number of [1, 2, 3]) conversation.callerSaid(new Turn(number, 'speech'), `word ${number}`);
    expect(conversation.entries.map(({ turn }) => turn)).toEqual([2, 3]);
  });
});
