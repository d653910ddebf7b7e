import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { WanPath } from './path.ts';
import { TcpLink } from './tcp-link.ts';
import { UdpLink } from './udp-link.ts';

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
});
