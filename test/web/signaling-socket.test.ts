import { afterEach, beforeEach, expect, test } from 'vitest';
import { CLOSE_CODES } from '../../src/signaling/protocol.ts';
import { browserClock } from '../../web/src/client/browser-clock.ts';
import { type SignalingEvent, SignalingSocket, type SocketClosed } from '../../web/src/client/signaling-socket.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventually } from './eventually.ts';
import { FakePop } from './fake-pop.ts';

let pop: FakePop;
let events: SignalingEvent[];
let closings: SocketClosed[];
const opened: SignalingSocket[] = [];

async function open(clock = browserClock as FakeClock | typeof browserClock): Promise<SignalingSocket> {
  const options = { url: pop.signalingUrl, clock, openTimeoutMs: 2_000, requestTimeoutMs: 1_000 };
  const socket = await SignalingSocket.open(options, {
    event: (event) => events.push(event),
    closed: (info) => closings.push(info),
  });
  opened.push(socket);
  return socket;
}

const join = (socket: SignalingSocket) => socket.request('join', { version: 1, token: 'join:echo' });
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('must not succeed'),
    (error) => error.failure.code,
  );

beforeEach(async () => {
  events = [];
  closings = [];
  pop = await FakePop.start();
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.close();
  await pop.close();
});

test('a request is answered, also when others are under way', async () => {
  const socket = await open();
  const [answer, pong] = await Promise.all([join(socket), socket.request('ping', {})]);
  expect(answer).toMatchObject({ sessionId: 's-1', mediaKept: false, agent: { name: 'echo' } });
  expect(Date.parse(pong.serverTime)).toBeGreaterThan(0);
});

test('a refusal carries the server’s code', async () => {
  pop.refusals.set('join', { code: 'ERR_TOKEN_EXPIRED' });
  expect(await codeOf(join(await open()))).toBe('ERR_TOKEN_EXPIRED');
});

test('an answer that is not what the protocol says is refused', async () => {
  const socket = await open();
  await join(socket);
  pop.silent.add('restartIce');
  const asked = socket.request('restartIce', { transportId: 't-1' });
  await eventually(() => pop.count('restartIce') === 1);
  pop.sendRaw({ id: 2, ok: true, data: { iceParameters: 'later' } });
  expect(await codeOf(asked)).toBe('SERVER_ANSWER');
  expect(socket.closed).toBe(false);
});

test('an answer that does not come is given up after its time', async () => {
  const clock = new FakeClock();
  const socket = await open(clock);
  pop.silent.add('ping');
  const asked = codeOf(socket.request('ping', {}));
  clock.advance(999);
  expect(clock.pendingCount).toBe(1);
  clock.advance(1);
  expect(await asked).toBe('SERVER_UNREACHABLE');
});

test('events arrive checked, and unknown ones of a newer server are passed over', async () => {
  const socket = await open();
  await join(socket);
  pop.sendRaw({ event: 'moon-phase', data: {} });
  pop.tell({ type: 'agent-state', state: 'thinking' });
  await eventually(() => events.length === 1);
  expect(events).toEqual([{ name: 'agent', data: { type: 'agent-state', state: 'thinking' } }]);
  expect(closings).toEqual([]);
});

test.each([
  ['a frame that is not JSON', 'hello'],
  ['an event with the wrong data', JSON.stringify({ event: 'agent', data: { type: 'agent-state', state: 'asleep' } })],
])('%s ends the socket as a protocol error', async (_what, frame) => {
  const socket = await open();
  await join(socket);
  pop.sendRaw(frame);
  await eventually(() => closings.length === 1);
  expect(closings[0]?.code).toBe(1002);
  expect(socket.closed).toBe(true);
});

test('a socket that goes takes its requests with it and reports the close code once', async () => {
  const socket = await open();
  await join(socket);
  pop.silent.add('ping');
  const asked = codeOf(socket.request('ping', {}));
  await eventually(() => pop.count('ping') === 1);
  pop.drop(CLOSE_CODES.shuttingDown);
  expect(await asked).toBe('CONNECTION_LOST');
  await eventually(() => closings.length === 1);
  expect(closings).toEqual([{ code: CLOSE_CODES.shuttingDown, reason: '' }]);
  expect(await codeOf(socket.request('ping', {}))).toBe('CONNECTION_LOST');
});

test('closing it ourselves is not reported, and may be done twice', async () => {
  const socket = await open();
  await join(socket);
  socket.close();
  socket.close();
  await eventually(() => pop.socketCount === 0);
  expect(closings).toEqual([]);
});

test('a server that is not there is unreachable', async () => {
  pop.refuseSockets = true;
  const options = { url: 'ws://127.0.0.1:1/', clock: browserClock, openTimeoutMs: 2_000, requestTimeoutMs: 1_000 };
  expect(await codeOf(SignalingSocket.open(options, { event() {}, closed() {} }))).toBe('SERVER_UNREACHABLE');
});
