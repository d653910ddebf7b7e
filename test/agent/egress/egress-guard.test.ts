import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
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
    const [code] = await once(
      pinned(() => withoutEgress(() => spawn('true'))),
      'exit',
    );
    expect(code).toBe(0);
  });

  test('is known by the names of hosts as they are written, however that is', () => {
    expect(() => egress.check('API.Example.EU.', 443, 'tcp')).not.toThrow();
    for (const host of ['2001:db8::1', '[2001:db8::1]']) expect(() => egress.check(host, 443, 'tcp')).not.toThrow();
    for (const host of ['example.eu', 'example.eu.evil.test', 'xexample.eu', '127.0.0.2', '[::1]']) {
      expect(() => egress.check(host, 443, 'tcp')).toThrowError(/must not connect/);
    }
  });

  test('does not bind anybody else', async () => {
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe('served');
    expect(attempts).toEqual([]);
  });
});
