import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { ConnectTime } from '../../../src/agent/services/connect-time.ts';
import { KeptConnections } from '../../../src/agent/services/kept-connections.ts';
import { ServiceSocket } from '../../../src/agent/services/service-socket.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function server() {
  const http = createServer((_, response) => response.end('{}'));
  closing.push(() => http.close());
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { http, port: (http.address() as AddressInfo).port };
}

/** Time that passes by one millisecond with each look at it. */
const counting = () => {
  let ms = 0;
  return () => ++ms;
};

test.each(['127.0.0.1', 'localhost'])('a connection to %s is timed from its attempt to its opening', async (host) => {
  const { port } = await server();
  const time = new ConnectTime(counting());
  const socket = connect({ host, port });
  closing.push(() => socket.destroy());
  time.watch(socket);
  expect(time.ms).toBeNull();
  await once(socket, 'connect');
  expect(time.ms).toBe(1);
  // It is open by now: that tells nothing.
  time.watch(socket);
  expect(time.ms).toBe(1);
});

test('a connection that is refused has no time', async () => {
  const { http, port } = await server();
  http.close();
  await once(http, 'close');
  const time = new ConnectTime(counting());
  const socket = connect({ host: '127.0.0.1', port });
  time.watch(socket);
  await once(socket, 'error');
  expect(time.ms).toBeNull();
});

test('kept connections tell the time of the newest one, and a request on an open one changes nothing', async () => {
  const { port } = await server();
  const connections = new KeptConnections();
  closing.push(() => connections.close());
  expect(connections.connectMs).toBeNull();
  await (await connections.fetch(`http://127.0.0.1:${port}/`)).text();
  const first = connections.connectMs;
  expect(first).toBeGreaterThan(0);
  await (await connections.fetch(`http://127.0.0.1:${port}/`)).text();
  expect(connections.connectMs).toBe(first);
});

test('so does a WebSocket', async () => {
  const { http, port } = await server();
  const sockets = new WebSocketServer({ server: http });
  closing.push(() => sockets.close());
  const connectTime = new ConnectTime();
  const opened = Promise.withResolvers<void>();
  const socket = new ServiceSocket({
    service: 'a service',
    address: { url: new URL(`ws://127.0.0.1:${port}/`), headers: {} },
    clock: new FakeClock(),
    connectTime,
    handlers: {
      opened: () => opened.resolve(),
      message: () => {},
      malformed: () => {},
      ended: ({ error }) => opened.reject(error),
    },
  });
  closing.push(() => socket.abandon());
  await opened.promise;
  expect(connectTime.ms).toBeGreaterThan(0);
});
