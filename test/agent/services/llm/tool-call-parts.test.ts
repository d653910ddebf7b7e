import { expect, test } from 'vitest';
import { ToolCallParts } from '../../../../src/agent/services/llm/tool-call-parts.ts';

const parts = (indicesAreWrong = false) => new ToolCallParts({ label: 'Groq', indicesAreWrong, idPrefix: 'call_7' });

test('pieces of calls by number may come in turns', () => {
  const calls = parts();
  calls.add({ index: 1, id: 'b', function: { name: 'two', arguments: '{"x"' } });
  calls.add({ index: 0, id: 'a', function: { name: 'one' } });
  calls.add({ index: 1, function: { arguments: ':1}' } });
  expect(calls.whole()).toEqual([
    { type: 'tool-call', callId: 'b', name: 'two', arguments: '{"x":1}' },
    { type: 'tool-call', callId: 'a', name: 'one', arguments: '' },
  ]);
});

test('without numbers, another id begins another call, even when the last one had no arguments', () => {
  const calls = parts(true);
  calls.add({ id: 'a', function: { name: 'one', arguments: '' } });
  calls.add({ id: 'b', function: { name: 'one', arguments: '' } });
  expect(calls.whole().map((call) => call.type === 'tool-call' && call.callId)).toEqual(['a', 'b']);
});

test('without numbers, pieces that repeat their id and name are one call', () => {
  const calls = parts(true);
  for (const piece of ['{"x"', ':1', '}'])
    calls.add({ index: 3, id: 'a', function: { name: 'one', arguments: piece } });
  expect(calls.whole()).toEqual([{ type: 'tool-call', callId: 'a', name: 'one', arguments: '{"x":1}' }]);
});

test('a model that writes too much, calls too much or names no tool fails', () => {
  const long = parts();
  const piece = { index: 0, function: { name: 'one', arguments: 'x'.repeat(65_536) } };
  long.add(piece);
  expect(() => long.add({ index: 0, function: { arguments: 'x' } })).toThrow('Groq wrote too long a tool call.');

  const many = parts();
  for (let index = 0; index < 64; index++) many.add({ index, function: { name: 'one' } });
  expect(() => many.add({ index: 64, function: { name: 'one' } })).toThrow('Groq called too many tools at once.');

  const nameless = parts();
  nameless.add({ index: 0, id: 'a', function: { arguments: '{}' } });
  expect(() => nameless.whole()).toThrow(
    expect.objectContaining({ code: 'ERR_SERVICE_FAILED', message: 'Groq called a tool without a name.' }),
  );
});
