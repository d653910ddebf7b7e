/** Two hosts, and what gets from one to the other whole, cut one way and mended: run in a namespace of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type NamespaceHost, NamespaceNetwork } from './namespaces.ts';

const PORT = 5_000;
const WAIT_MS = 250;
/** Writes down each datagram that comes, and sends one for each line that it reads: the address. */
const HOST = `
const socket = require('node:dgram').createSocket('udp4').bind(${PORT}, () => console.log('ready'));
socket.on('message', (packet) => console.log(String(packet)));
require('node:readline').createInterface({ input: process.stdin }).on('line', (to) => socket.send('hello', ${PORT}, to));
process.stdin.on('end', () => process.exit(0));
`;

class Peer {
  readonly #child: ChildProcess;
  readonly ready: Promise<void>;
  heard = 0;

  constructor(host: NamespaceHost) {
    const [program, ...args] = [...host.command, process.execPath, '-e', HOST];
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve();
      else this.heard += 1;
    });
  }

  sendTo(ip: string): void {
    this.#child.stdin!.write(`${ip}\n`);
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    await gone;
  }
}

await using network = await NamespaceNetwork.open();
const [a, b] = [await network.host('a'), await network.host('b')];
const [atA, atB] = [new Peer(a), new Peer(b)];
await Promise.all([atA.ready, atB.ready]);

async function look(): Promise<{ aToB: boolean; bToA: boolean }> {
  const before = { a: atA.heard, b: atB.heard };
  atA.sendTo(b.ip);
  atB.sendTo(a.ip);
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  return { aToB: atB.heard > before.b, bToA: atA.heard > before.a };
}

const whole = await look();
await network.cut(a, b, true);
const cut = await look();
await network.cut(a, b, false);
const mended = await look();
process.stdout.write(JSON.stringify({ whole, cut, mended }));
await Promise.all([atA.close(), atB.close()]);
