import { describe, expect, test } from 'vitest';
import {
  answerText,
  eventText,
  parseFrame,
  pingText,
  pongText,
  refusalText,
  requestText,
} from '../../src/backbone/control-frame.ts';
import { AntipodeError } from '../../src/errors.ts';

describe('parseFrame', () => {
  test('reads what the writers wrote', () => {
    const data = { sessionId: 's' };
    expect(parseFrame(requestText(3, 'session.ready', data))).toEqual({
      kind: 'request',
      id: 3,
      method: 'session.ready',
      data,
    });
    expect(parseFrame(answerText(3, data))).toEqual({ kind: 'answer', id: 3, ok: true, data });
    expect(parseFrame(eventText('session.played', data))).toEqual({ kind: 'event', event: 'session.played', data });
    expect(parseFrame(pingText(7, 12))).toEqual({ kind: 'ping', beat: 7 });
    expect(parseFrame(pongText(7, 12))).toEqual({ kind: 'pong', beat: 7 });
  });

  test('brings an error over the wire with code, message and path', () => {
    const error = new AntipodeError('ERR_AGENT_UNKNOWN', 'No agent "x".', { path: 'data.agent' });
    const frame = parseFrame(refusalText(4, error.toWire()));
    expect(frame).toMatchObject({ kind: 'answer', id: 4, ok: false });
    const { error: arrived } = frame as { error: AntipodeError };
    expect(arrived).toBeInstanceOf(AntipodeError);
    expect([arrived.code, arrived.message, arrived.path]).toEqual(['ERR_AGENT_UNKNOWN', 'No agent "x".', 'data.agent']);
  });

  test('names a code that it does not know in the message of an ERR_INTERNAL', () => {
    const text = JSON.stringify({
      id: 4,
      ok: false,
      error: { code: 'ERR_OF_TOMORROW', message: 'Hm.', retryable: true },
    });
    expect(parseFrame(text)).toMatchObject({ error: { code: 'ERR_INTERNAL', message: 'ERR_OF_TOMORROW: Hm.' } });
    const inherited = text.replace('ERR_OF_TOMORROW', 'constructor');
    expect(parseFrame(inherited)).toMatchObject({ error: { code: 'ERR_INTERNAL', message: 'constructor: Hm.' } });
  });

  test.each([
    '',
    '{',
    '"text"',
    '[1]',
    'null',
    '{}',
    '{"id":1}',
    '{"id":1,"ok":"yes"}',
    '{"id":1,"ok":false}',
    '{"id":1,"ok":false,"error":{"code":"X"}}',
    '{"id":1.5,"method":"a"}',
    '{"id":1,"method":""}',
    `{"event":"${'x'.repeat(65)}"}`,
    '{"ping":-1}',
    '{"pong":null}',
  ])('refuses %s', (text) => {
    expect(parseFrame(text)).toBeNull();
  });
});
