import { afterEach, beforeEach, expect, test } from 'vitest';
import { refusalOf } from '../../../src/agent/services/refusal.ts';
import {
  ServiceSocket,
  type ServiceSocketOptions,
  type SocketEnd,
} from '../../../src/agent/services/service-socket.ts';
import { systemClock } from '../../../src/clock.ts';
import { HearingServer } from '../../fakes/hearing-socket.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const patient = { timeout: 20_000 };
let server: HearingServer;
let ends: SocketEnd[];
let opened: number;
let socket: ServiceSocket | null;

beforeEach(async () => {
  server = await HearingServer.start({ authorization: 'Token key', routes: { '/': () => ({ message() {} }) } });
  ends = [];
  opened = 0;
  socket = null;
});
afterEach(async () => {
  socket?.close();
  await server.close();
});

function connect(options: Partial<ServiceSocketOptions> = {}): ServiceSocket {
  socket = new ServiceSocket({
    service: 'Fake',
    address: { url: new URL(server.url), headers: { authorization: 'Token key' } },
    clock: systemClock,
    handlers: { opened: () => opened++, message() {}, malformed() {}, ended: (end) => ends.push(end) },
    ...options,
  });
  return socket;
}

test('a service that takes audio slower than it comes is too slow, and not tried again', async () => {
  const socket = connect({ maxBufferedBytes: 100_000 });
  await expect.poll(() => opened, patient).toBe(1);
  // Within one turn of the event loop nothing more than the kernel's buffers can take is sent.
  for (let count = 0; count < 2_000; count++) socket.sendBinary(Buffer.alloc(65_536));
  expect(ends).toMatchObject([{ error: { code: 'ERR_SERVICE_TIMEOUT' }, worthRetrying: false }]);
  expect(socket.isOpen).toBe(false);
});

test('an upgrade that is never answered ends in time', async () => {
  const clock = new FakeClock();
  server.faults.hang = true;
  connect({ clock, connectTimeoutMs: 2_000 });
  await expect.poll(() => server.requests.length, patient).toBe(1);
  clock.advance(1_999);
  expect(ends).toEqual([]);
  clock.advance(1);
  expect(ends).toMatchObject([{ error: { code: 'ERR_SERVICE_TIMEOUT' }, worthRetrying: false }]);
  expect(clock.pendingCount).toBe(0);
});

test('a connection that breaks is worth another one, a refusal is not', async () => {
  connect();
  await expect.poll(() => opened, patient).toBe(1);
  server.dropAll();
  await expect
    .poll(() => ends, patient)
    .toMatchObject([{ error: { code: 'ERR_SERVICE_FAILED' }, worthRetrying: true }]);
  server.faults.refuse = 403;
  connect();
  await expect
    .poll(() => ends[1], patient)
    .toMatchObject({
      error: { code: 'ERR_SERVICE_FAILED', cause: { status: 403 } },
      worthRetrying: false,
    });
});

test('a refusal tells how long to wait, when the service says so', async () => {
  Object.assign(server.faults, { refuse: 429, retryAfterSeconds: 7 });
  connect();
  await expect.poll(() => ends, patient).toMatchObject([{ error: { code: 'ERR_SERVICE_UNAVAILABLE' } }]);
  expect(refusalOf(ends[0]!.error)).toMatchObject({ status: 429, retryAfterMs: 7_000 });
});

test('close() tells nobody and leaves nothing open, before and after the upgrade', async () => {
  const early = connect();
  early.close();
  early.close();
  const late = connect();
  await expect.poll(() => opened, patient).toBe(1);
  late.close();
  await expect.poll(() => server.openCount, patient).toBe(0);
  expect(ends).toEqual([]);
});
