/** From which of this machine's addresses a POP dials a core. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { dialCore } from '../../src/backbone/control-dial.ts';
import { temporaryCa } from './support/control.ts';

test('it is the one that is named, or the system’s choice', async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((socket) => {
    seen.push(socket.remoteAddress);
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const identity = await (await temporaryCa()).issue({ nodeId: 'pop-1', role: 'pop' });
  for (const dialFrom of ['127.0.0.9', null]) {
    const { signal } = new AbortController();
    const dialing = dialCore({ host: '127.0.0.1', port, expectNodeId: 'core-1', identity, dialFrom, signal });
    await expect(dialing).rejects.toMatchObject({ code: 'ERR_BACKBONE_CLOSED' });
  }
  expect(seen).toEqual(['127.0.0.9', '127.0.0.1']);
  server.close();
});
