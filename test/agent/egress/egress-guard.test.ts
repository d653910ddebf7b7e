import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import {
  type EgressAttempt,
  EgressContext,
  installEgressGuard,
  withEgress,
  withoutEgress,
} from '../../../src/agent/egress/index.ts';

const FORBIDDEN = { code: 'ERR_EGRESS_FORBIDDEN' };

describe('a pinned session', () => {
  let uninstall: () => void;
  let server: http.Server;
  let port: number;
  let requests: string[];
  let attempts: EgressAttempt[];
  let egress: EgressContext;

  beforeAll(async () => {
    uninstall = installEgressGuard();
    server = http.createServer((request, response) => {
      requests.push(`${request.method} ${request.headers.host} ${request.url}`);
      if (request.url === '/away') response.writeHead(302, { location: `http://localhost:${port}/elsewhere` }).end();
      else if (request.url === '/here') response.writeHead(302, { location: '/there' }).end();
      else if (request.url === '/again') response.writeHead(307, { location: '/echo' }).end();
      else if (request.url === '/echo') request.pipe(response);
      else response.end('served');
    });
    new WebSocketServer({ server });
    server.listen(0);
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    uninstall();
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = [];
    attempts = [];
    egress = new EgressContext({
      sessionId: 's-1',
      pin: '"eu" (request)',
      hosts: [
        { host: '127.0.0.1', service: 'thinks@eu', region: 'eu-central-1' },
        { host: '[2001:db8::1]', service: 'speaks@eu', region: 'eu-central-1' },
        { host: '.example.eu', service: 'crm', region: 'eu-central-1' },
      ],
      onAttempt: (attempt) => attempts.push(attempt),
    });
  });
  afterEach(() => {
    expect(attempts.every(({ host }) => host !== '')).toBe(true);
  });
  const pinned = <T>(work: () => T): T => withEgress(egress, work);

  test('reaches what it may, and that is told', async () => {
    const response = await pinned(() => fetch(`http://127.0.0.1:${port}/`));
    expect(await response.text()).toBe('served');
    expect(attempts[0]).toMatchObject({ host: '127.0.0.1', by: 'fetch', allowed: { service: 'thinks@eu' } });
    expect(await (await pinned(() => fetch('data:text/plain,within'))).text()).toBe('within');
    await expect(pinned(() => fetch('nowhere'))).rejects.toThrowError(TypeError);
    expect(() => egress.check('api.example.eu', 443, 'tcp')).not.toThrow();
  });

  test('is stopped before anything is sent, by whatever it connects with', async () => {
    await expect(pinned(() => fetch(`http://localhost:${port}/`))).rejects.toMatchObject(FORBIDDEN);

    const request = pinned(() => http.get(`http://localhost:${port}/`));
    expect((await once(request, 'error'))[0]).toMatchObject(FORBIDDEN);

    const socket = pinned(() => net.connect(port, 'localhost'));
    expect((await once(socket, 'error'))[0]).toMatchObject(FORBIDDEN);

    const ws = pinned(() => new WebSocket(`ws://localhost:${port}/`));
    expect((await once(ws, 'error'))[0]).toMatchObject(FORBIDDEN);

    const udp = createSocket('udp4');
    expect(() => pinned(() => udp.send('secret', 9, 'localhost'))).toThrowError(/must not connect to localhost/);
    udp.close();

    expect(requests).toEqual([]);
    expect(attempts.every(({ allowed }) => allowed === null)).toBe(true);
  });

  test('is stopped after any number of awaits, timers and callbacks', async () => {
    const late = pinned(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await new Promise((resolve) => setImmediate(resolve));
      return fetch(`http://localhost:${port}/`);
    });
    await expect(late).rejects.toMatchObject(FORBIDDEN);
  });

  test('does not get through by a connection that another session has opened', async () => {
    const agent = new http.Agent({ keepAlive: true });
    const warm = http.get({ host: 'localhost', port, agent });
    const [response] = (await once(warm, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    await new Promise((resolve) => setImmediate(resolve));
    await (await fetch(`http://localhost:${port}/warm`)).text();
    requests = [];
    const reused = pinned(() => http.get({ host: 'localhost', port, agent }));
    expect((await once(reused, 'error'))[0]).toMatchObject(FORBIDDEN);
    await expect(pinned(() => fetch(`http://localhost:${port}/`))).rejects.toMatchObject(FORBIDDEN);
    expect(requests).toEqual([]);
    agent.destroy();
  });

  describe('with a connection that another session has opened', () => {
    /** What came in this test. */
    let received: { text: string };
    let echo: net.Server;
    let echoPort: number;
    beforeEach(async () => {
      const mine = { text: '' };
      received = mine;
      echo = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', (bytes) => {
          mine.text += bytes.toString();
          socket.write(bytes);
        });
      });
      echo.listen(0);
      await once(echo, 'listening');
      echoPort = (echo.address() as AddressInfo).port;
    });
    afterEach(() => {
      echo.close();
    });

    test('sends nothing where it must not: the connection breaks, and that is told', async () => {
      const socket = net.connect(echoPort, 'localhost');
      await once(socket, 'connect');
      socket.write('first ');
      await once(socket, 'data');
      expect(pinned(() => socket.write('secret'))).toBe(false);
      expect((await once(socket, 'error'))[0]).toMatchObject(FORBIDDEN);
      expect(received.text).toBe('first ');
      expect(attempts).toMatchObject([{ host: 'localhost', port: echoPort, by: 'tcp', allowed: null }]);
    });

    test('sends nothing through TLS that was put upon it', async () => {
      const socket = net.connect(echoPort, 'localhost');
      await once(socket, 'connect');
      const secure = tls.connect({ socket });
      expect(pinned(() => secure.write('secret'))).toBe(false);
      expect((await once(secure, 'error'))[0]).toMatchObject(FORBIDDEN);
    });

    test('says no last words there either, and may hang up', async () => {
      const socket = net.connect(echoPort, 'localhost');
      await once(socket, 'connect');
      pinned(() => socket.end('secret'));
      expect((await once(socket, 'error'))[0]).toMatchObject(FORBIDDEN);
      const other = net.connect(echoPort, 'localhost');
      await once(other, 'connect');
      pinned(() => other.end());
      await once(other, 'close');
      expect(received.text).toBe('');
    });

    test('asks nothing over HTTP/2, while whoever opened it goes on', async () => {
      const asked: string[] = [];
      const h2 = http2.createServer((request, response) => {
        asked.push(request.url);
        response.end('served');
      });
      h2.listen(0);
      await once(h2, 'listening');
      const client = http2.connect(`http://localhost:${(h2.address() as AddressInfo).port}`);
      const ask = async (path: string) => {
        const stream = client.request({ ':path': path });
        stream.resume();
        await once(stream, 'end');
      };
      await ask('/own');
      expect(() => pinned(() => client.request({ ':path': '/secret', ':authority': '127.0.0.1' }))).toThrowError(
        /must not connect to localhost/,
      );
      await ask('/more');
      expect(asked).toEqual(['/own', '/more']);
      client.close();
      h2.close();
    });

    test('is let through where both may go, and each is told of it once', async () => {
      const first = new EgressContext({
        ...{ sessionId: 's-0', pin: '"eu" (request)', onAttempt: (attempt) => attempts.push(attempt) },
        hosts: [{ host: '127.0.0.1', service: 'hears@eu', region: 'eu-central-1' }],
      });
      const socket = withEgress(first, () => net.connect(echoPort, '127.0.0.1'));
      await once(socket, 'connect');
      for (const word of ['one ', 'two ']) {
        pinned(() => socket.write(word));
        await once(socket, 'data');
      }
      expect(received.text).toBe('one two ');
      expect(attempts.map(({ allowed }) => allowed?.service)).toEqual(['hears@eu', 'thinks@eu']);
      socket.destroy();
    });

    test('answers whoever has connected to us', async () => {
      const accepted = once(echo, 'connection');
      const caller = net.connect(echoPort, 'localhost');
      const [socket] = (await accepted) as [net.Socket];
      pinned(() => socket.write('hello'));
      expect(String((await once(caller, 'data'))[0])).toBe('hello');
      expect(attempts).toEqual([]);
      caller.destroy();
    });
  });

  test('sends datagrams over a connected socket to where that leads', async () => {
    const listener = createSocket('udp4');
    listener.bind(0, '127.0.0.1');
    await once(listener, 'listening');
    const udp = createSocket('udp4');
    pinned(() => udp.connect(listener.address().port, '127.0.0.1'));
    await once(udp, 'connect');
    pinned(() => udp.send('lawful'));
    expect(String((await once(listener, 'message'))[0])).toBe('lawful');
    expect(attempts.every(({ allowed }) => allowed?.service === 'thinks@eu')).toBe(true);
    udp.close();
    listener.close();
  });

  test('looks up no name that it must not connect to, and those that it may as ever', async () => {
    await expect(pinned(() => dns.promises.lookup('secret.example.us'))).rejects.toMatchObject(FORBIDDEN);
    await expect(pinned(() => new dns.promises.Resolver().resolveTxt('localhost'))).rejects.toMatchObject(FORBIDDEN);
    await expect(pinned(() => promisify(dns.lookup)('localhost'))).rejects.toMatchObject(FORBIDDEN);
    const answer = Promise.withResolvers<unknown>();
    pinned(() => dns.resolve4('secret.example.us', answer.resolve));
    expect(await answer.promise).toMatchObject(FORBIDDEN);
    expect(attempts.map(({ by, allowed }) => `${by} ${allowed}`)).toEqual(Array(4).fill('name null'));
    expect(await pinned(() => promisify(dns.lookup)('127.0.0.1'))).toEqual({ address: '127.0.0.1', family: 4 });
    expect(attempts).toHaveLength(4);
  });

  test('is not led away by a redirect, and follows one that stays', async () => {
    await expect(pinned(() => fetch(`http://127.0.0.1:${port}/away`))).rejects.toMatchObject(FORBIDDEN);
    expect(requests).toEqual([`GET 127.0.0.1:${port} /away`]);
    expect(await (await pinned(() => fetch(`http://127.0.0.1:${port}/here`))).text()).toBe('served');
    expect(requests.at(-1)).toBe(`GET 127.0.0.1:${port} /there`);
    const echoed = await pinned(() => fetch(`http://127.0.0.1:${port}/again`, { method: 'POST', body: 'kept' }));
    expect(await echoed.text()).toBe('kept');
  });

  test('starts no program, while our own code may', async () => {
    expect(() => pinned(() => spawn('true'))).toThrowError(/program:true/);
    expect(() => pinned(() => execFileSync('true'))).toThrowError(/program:true/);
    expect(() => pinned(() => new Worker('', { eval: true }))).toThrowError(/program:thread/);
    const [code] = await once(
      pinned(() => withoutEgress(() => spawn('true'))),
      'exit',
    );
    expect(code).toBe(0);
    const [threadCode] = await once(new Worker('', { eval: true }), 'exit');
    expect(threadCode).toBe(0);
  });

  test('is known by the names of hosts as they are written, however that is', () => {
    expect(() => egress.check('API.Example.EU.', 443, 'tcp')).not.toThrow();
    for (const host of ['2001:db8::1', '[2001:db8::1]']) expect(() => egress.check(host, 443, 'tcp')).not.toThrow();
    for (const host of ['example.eu', 'example.eu.evil.test', 'xexample.eu', '127.0.0.2', '[::1]']) {
      expect(() => egress.check(host, 443, 'tcp')).toThrowError(/must not connect/);
    }
  });

  test('is not what a session without a pin is: that reaches everything, and each place is told', async () => {
    const free = new EgressContext({
      ...{ sessionId: 's-2', pin: null, onAttempt: (attempt) => attempts.push(attempt) },
      hosts: [{ host: '127.0.0.1', service: 'thinks@us', region: 'us' }],
    });
    for (const path of ['127.0.0.1', 'localhost']) {
      const response = await withEgress(free, () => fetch(`http://${path}:${port}/`));
      expect(await response.text()).toBe('served');
    }
    const [code] = await once(
      withEgress(free, () => spawn('true')),
      'exit',
    );
    expect(code).toBe(0);
    const told = new Set(attempts.map(({ allowed }) => `${allowed?.service} ${allowed?.region}`));
    expect(told).toEqual(new Set(['thinks@us us', 'localhost null', 'program:true local']));
  });

  test('does not bind anybody else', async () => {
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe('served');
    expect(attempts).toEqual([]);
  });
});
