import { describe, expect, test } from 'vitest';
import type { ClientMessage } from '../../src/agent/client-events.ts';
import { ClientMessages, MAX_WAITING_MESSAGES } from '../../src/edge/client-messages.ts';

function setUp() {
  const messages = new ClientMessages();
  const sent: string[] = [];
  const add = (text: string) => messages.add({ type: 'text', text });
  const send = () => messages.send((message) => void sent.push(textOf(message)));
  return { messages, sent, add, send };
}

const textOf = (message: ClientMessage) => (message.type === 'text' ? message.text : '');

describe('ClientMessages', () => {
  test('sends each once to a core, in order, and to the next core what the first did not give to the agent', () => {
    const { messages, sent, add, send } = setUp();
    for (const text of ['a', 'b', 'c']) add(text);
    send();
    add('d');
    send();
    expect(sent.splice(0)).toEqual(['a', 'b', 'c', 'd']);
    messages.given(2);
    messages.given(1);
    messages.nextCore();
    add('e');
    send();
    expect(sent.splice(0)).toEqual(['c', 'd', 'e']);
    messages.given(3);
    messages.nextCore();
    send();
    expect(sent).toEqual([]);
  });

  test('does not believe that more was given than was sent', () => {
    const { messages, sent, add, send } = setUp();
    add('a');
    messages.given(5);
    send();
    expect(sent).toEqual(['a']);
  });

  test('is bounded: new ones are refused while no core takes any, and sent ones make room', () => {
    const { sent, add, send } = setUp();
    for (let index = 0; index < MAX_WAITING_MESSAGES; index++) expect(add(`${index}`)).toBe(true);
    expect(add('too many')).toBe(false);
    send();
    expect(add('last')).toBe(true);
    send();
    expect(sent).toHaveLength(MAX_WAITING_MESSAGES + 1);
    expect(sent.at(-1)).toBe('last');
  });

  test('drops one that can not be sent, says so, and goes on with the others', () => {
    const { messages, sent, add, send } = setUp();
    add('long');
    add('short');
    expect(() =>
      messages.send(() => {
        throw new RangeError('too long');
      }),
    ).toThrow('too long');
    send();
    expect(sent).toEqual(['short']);
  });
});
