import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { WanPath } from './path.ts';
import { TcpLink } from './tcp-link.ts';
import { UdpLink } from './udp-link.ts';
import { UdpNetwork } from './udp-network.ts';
import { UdpRelay } from './udp-relay.ts';

describe('a long way', () => {
  test('delays everything, and nothing overtakes', () => {
    const clock = new FakeClock();
    const draws = [0.9, 1, 0.9, 0];
    const path = new WanPath(clock, { delayMs: 99, jitterMs: 10, random: () => draws.shift() ?? 0 });
    const arrived: number[] = [];
    for (const number of [1, 2]) path.carry(() => arrived.push(number));
    clock.advance(108);
    expect(arrived).toEqual([]);
    clock.advance(1);
    expect(arrived).toEqual([1, 2]);
  });

  test('loses its share, and everything while it is cut', () => {
    const draws = [0.04, 0.05];
    const path = new WanPath(new FakeClock(), { delayMs: 0, loss: 0.05, random: () => draws.shift() ?? 0.5 });
    let arrived = 0;
    for (let packet = 0; packet < 2; packet++) path.carry(() => arrived++);
    path.cut(true);
    path.carry(() => arrived++);
    path.cut(false);
    path.carry(() => arrived++);
    expect({ arrived, lost: path.lost }).toEqual({ arrived: 2, lost: 2 });
  });

  test('carries UDP both ways between two hosts that know each other by their announced addresses only', async () => {
    const [a, b] = [createSocket('udp4'), createSocket('udp4')];
    a.bind(0, '127.0.0.1');
    b.bind(0, '127.0.0.1');
    await Promise.all([once(a, 'listening'), once(b, 'listening')]);
    const [portA, portB] = [a.address().port, b.address().port];
    await using link = await UdpLink.open({
      a: { ip: '127.0.0.1', announced: '127.0.0.41', ports: { min: portA, max: portA } },
      b: { ip: '127.0.0.1', announced: '127.0.0.42', ports: { min: portB, max: portB } },
      path: { delayMs: 5 },
      clock: systemClock,
    });
    const atB = once(b, 'message');
    a.send('question', portB, '127.0.0.42');
    const [question, from] = (await atB) as [Buffer, { address: string; port: number }];
    expect(question.toString()).toBe('question');
    expect(from).toMatchObject({ address: '127.0.0.41', port: portA });
    const atA = once(a, 'message');
    b.send('answer', from.port, from.address);
    expect(((await atA) as [Buffer])[0].toString()).toBe('answer');
    expect(link.toA.carried + link.toB.carried).toBe(2);
    a.close();
    b.close();
  });

  test('keeps the ways of three hosts apart, each pair with its own delay', async () => {
    const sockets = await Promise.all(['pop', 'near', 'far'].map(() => boundSocket()));
    const [pop, near, far] = sockets as [Socket, Socket, Socket];
    const host = (socket: Socket, announced: string) => {
      const { port } = socket.address();
      return { ip: '127.0.0.1', announced, ports: { min: port, max: port } };
    };
    const delays: number[] = [];
    const clock = {
      ...systemClock,
      setTimeout: (callback: () => void, delayMs: number) => {
        delays.push(Math.round(delayMs));
        return systemClock.setTimeout(callback, 0);
      },
    };
    await using network = await UdpNetwork.open({
      hosts: { pop: host(pop, '127.0.0.44'), near: host(near, '127.0.0.45'), far: host(far, '127.0.0.46') },
      path: (from, to) => ({ delayMs: from === 'far' || to === 'far' ? 100 : 2 }),
      clock,
    });
    for (const [socket, address] of [
      [near, '127.0.0.45'],
      [far, '127.0.0.46'],
    ] as const) {
      const came = once(socket, 'message');
      pop.send('hello', socket.address().port, address);
      const [, from] = (await came) as [Buffer, { address: string; port: number }];
      expect(from).toMatchObject({ address: '127.0.0.44', port: pop.address().port });
      const back = once(pop, 'message');
      socket.send('hello back', from.port, from.address);
      expect(((await back) as [Buffer, object])[1]).toMatchObject({ address, port: socket.address().port });
    }
    expect(delays).toEqual([2, 2, 100, 100]);
    expect(network.path('pop', 'far').carried).toBe(1);
    for (const socket of sockets) socket.close();
  });

  test('carries what one UDP client and one server say to each other, each way later', async () => {
    const [client, server] = [await boundSocket(), await boundSocket()];
    server.on('message', (packet, from) => server.send(`${packet} back`, from.port, from.address));
    const delays: number[] = [];
    const clock = {
      ...systemClock,
      setTimeout: (callback: () => void, delayMs: number) => {
        delays.push(Math.round(delayMs));
        return systemClock.setTimeout(callback, 0);
      },
    };
    await using relay = await UdpRelay.open({
      server: { ip: '127.0.0.1', port: server.address().port },
      path: { delayMs: 9 },
      clock,
    });
    const came = once(client, 'message');
    client.send('there', relay.port, '127.0.0.1');
    expect(String(((await came) as [Buffer])[0])).toBe('there back');
    expect(delays).toEqual([9, 9]);
    client.close();
    server.close();
  });

  test('carries TCP, the first bytes a handshake later', async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const delays: number[] = [];
    const clock = {
      ...systemClock,
      setTimeout: (callback: () => void, delayMs: number) => {
        delays.push(Math.round(delayMs));
        return systemClock.setTimeout(callback, 0);
      },
    };
    await using link = await TcpLink.open({
      listen: { host: '127.0.0.1', port: 0 },
      server: { host: '127.0.0.1', port },
      path: { delayMs: 50 },
      clock,
    });
    const client = connect(link.port, '127.0.0.1');
    client.write('hello');
    expect(String((await once(client, 'data'))[0])).toBe('hello');
    expect(delays).toEqual([150, 50]);
    client.write('again');
    expect(String((await once(client, 'data'))[0])).toBe('again');
    client.end();
    await once(client, 'close');
    server.close();
  });

  test('loses nothing of a TCP connection that is cut one way: it waits, and the other way goes on', async () => {
    const heard: string[] = [];
    const server = createServer((socket) => {
      socket.on('data', (bytes) => heard.push(String(bytes)));
      socket.write('from the server');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await using link = await TcpLink.open({
      listen: { host: '127.0.0.1', port: 0 },
      server: { host: '127.0.0.1', port },
      path: { delayMs: 0 },
      clock: systemClock,
    });
    link.cut('up', true);
    const client = connect(link.port, '127.0.0.1');
    client.write('hello');
    expect(String((await once(client, 'data'))[0])).toBe('from the server');
    expect(heard).toEqual([]);
    link.cut('up', false);
    await expect.poll(() => heard).toEqual(['hello']);
    client.end();
    await once(client, 'close');
    server.close();
  });

  test('lets another host join, by the ports that it has', async () => {
    const [first, second] = [await boundSocket(), await boundSocket()];
    await using network = await UdpNetwork.open<string>({
      hosts: {},
      path: () => ({ delayMs: 0 }),
      clock: systemClock,
    });
    for (const [name, socket, announced] of [
      ['first', first, '127.0.0.47'],
      ['second', second, '127.0.0.48'],
    ] as const) {
      const { port } = socket.address();
      await network.join(name, { ip: '127.0.0.1', announced, ports: { min: port, max: port } });
    }
    const came = once(second, 'message');
    first.send('hello', second.address().port, '127.0.0.48');
    expect(((await came) as [Buffer, object])[1]).toMatchObject({ address: '127.0.0.47' });
    first.close();
    second.close();
  });
});

async function boundSocket(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
