/** A TCP way that keeps what it is given to itself while it is silent, and hangs up on nobody. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class SilentLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #kept: (() => void)[] = [];
  #silent = false;

  private constructor(to: { host: string; port: number }) {
    this.#server = createServer((near) => {
      const far = connect(to.port, to.host);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(socket);
        socket.setNoDelay(true);
        socket.on('data', (bytes) => this.#pass(() => void (other.destroyed || other.write(bytes))));
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#open.delete(socket);
          this.#pass(() => other.destroy());
        });
      }
    });
  }

  static async open(to: { host: string; port: number }): Promise<SilentLink> {
    const link = new SilentLink(to);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** False lets go of what was kept. */
  silence(silent: boolean): void {
    this.#silent = silent;
    if (silent) return;
    const kept = this.#kept;
    this.#kept = [];
    for (const pass of kept) pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(pass: () => void): void {
    if (this.#silent) this.#kept.push(pass);
    else pass();
  }
}
