/** The ways between the nodes of a topology: each as long as from the node that speaks to the one that is spoken to. */
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { systemClock } from '../../src/clock.ts';
import { CONTROL_PORT, partsOf } from '../../src/up/parts.ts';
import { parseTopology } from '../../src/up/topology.ts';
import { WideArea } from '../../src/up/wide-area.ts';
import { freePort } from '../e2e/support/server.ts';

test('a core is as far from each POP as it would be, and the registry from each node', async () => {
  const [redisPort, ...ports] = await Promise.all(Array.from({ length: 6 }, freePort));
  const topology = parseTopology(
    stringify({
      version: 1,
      network: 200 + (process.pid % 50),
      redis: { port: redisPort, region: 'eu-central-1' },
      pops: {
        'pop-near': { region: 'us-east-1', port: ports[0], mediaPort: ports[1] },
        'pop-far': { region: 'ap-southeast-2', port: ports[2], mediaPort: ports[3] },
      },
      cores: { 'core-iad': { region: 'us-east-1', port: ports[4] } },
      paths: [
        { from: 'us-east-1', to: 'us-east-1', rttMs: 2 },
        { from: 'us-east-1', to: 'ap-southeast-2', rttMs: 200 },
        { from: 'eu-central-1', to: 'ap-southeast-2', rttMs: 290 },
      ],
    }),
    'test.yaml',
  );
  const parts = partsOf(topology);
  const [near, far, core] = parts.nodes;
  const delays: number[] = [];
  const clock = {
    ...systemClock,
    setTimeout: (callback: () => void, delayMs: number) => {
      delays.push(Math.round(delayMs));
      return systemClock.setTimeout(callback, 0);
    },
  };
  await using stack = new AsyncDisposableStack();
  await listen(stack, CONTROL_PORT, core!.ip);
  await listen(stack, redisPort!, '127.0.0.1');
  stack.use(await WideArea.open(topology, parts, clock));
  const said = async (host: string, port: number, localAddress: string) => {
    delays.length = 0;
    const socket = connect({ host, port, localAddress });
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    const told = delays.slice(0, 2);
    socket.destroy();
    await once(socket, 'close');
    // Its end goes the same way.
    await new Promise((resolve) => setTimeout(resolve, 50));
    return told;
  };
  // The first bytes wait for a handshake besides: three times one way, then one.
  expect(await said(core!.announced, CONTROL_PORT, near!.ip)).toEqual([3, 1]);
  expect(await said(core!.announced, CONTROL_PORT, far!.ip)).toEqual([300, 100]);
  expect(await said(far!.announced, redisPort!, '127.0.0.1')).toEqual([435, 145]);
});

async function listen(stack: AsyncDisposableStack, port: number, host: string): Promise<void> {
  const server: Server = createServer((socket) => socket.pipe(socket));
  server.listen(port, host);
  await once(server, 'listening');
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
}
