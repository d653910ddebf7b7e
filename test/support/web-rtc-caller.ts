/** A real WebRTC caller of one EdgeCall for tests. Owns the child process that it runs in (web-rtc-child.ts). */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { EdgeCall, Offer } from '../../src/edge/index.ts';

export type ParentMessage =
  | ({ type: 'connect'; routerRtpCapabilities: never } & Offer)
  | { type: 'answer'; id: number; data?: unknown; error?: string }
  | { type: 'stats' }
  | { type: 'hang-up' };

export type ChildMessage =
  | { type: 'request'; id: number; method: string; data: unknown }
  | { type: 'state'; direction: string; state: string }
  | { type: 'ready' }
  | { type: 'failed'; reason: string }
  | { type: 'stats'; frames: number; received: number; lost: number };

export class WebRtcCaller implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #call: EdgeCall;

  private constructor(child: ChildProcess, call: EdgeCall) {
    this.#child = child;
    this.#call = call;
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'request') void this.#answer(message);
    });
  }

  /** Resolves when the caller has set up both directions. */
  static async connect(call: EdgeCall, routerRtpCapabilities: unknown): Promise<WebRtcCaller> {
    const child = fork(new URL('./web-rtc-child.ts', import.meta.url), { execArgv: [] });
    const caller = new WebRtcCaller(child, call);
    const ready = caller.#next('ready');
    child.send({ type: 'connect', routerRtpCapabilities, ...call.offer() });
    await ready;
    return caller;
  }

  /** What the caller received so far, by its own account. */
  async stats(): Promise<Extract<ChildMessage, { type: 'stats' }>> {
    const answered = this.#next('stats');
    this.#child.send({ type: 'stats' });
    return answered;
  }

  /** Closes its transports, as a page that is left does. */
  hangUp(): void {
    this.#child.send({ type: 'hang-up' });
  }

  /** Is gone without a word. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #next<T extends ChildMessage['type']>(type: T): Promise<Extract<ChildMessage, { type: T }>> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: ChildMessage) => {
        if (message.type === 'failed') reject(new Error(`the caller failed: ${message.reason}`));
        else if (message.type !== type) return;
        else resolve(message as Extract<ChildMessage, { type: T }>);
        this.#child.off('message', onMessage);
      };
      this.#child.on('message', onMessage);
      this.#child.once('exit', (code, signal) => reject(new Error(`the caller's process ended: ${code ?? signal}`)));
    });
  }

  async #answer({ id, method, data }: Extract<ChildMessage, { type: 'request' }>): Promise<void> {
    const { transportId, dtlsParameters, rtpParameters, rtpCapabilities } = data as Record<string, string>;
    const reply = (message: ParentMessage) => this.#child.connected && this.#child.send(message);
    try {
      const call = this.#call;
      let answer: unknown = {};
      if (method === 'connectTransport') await call.connectTransport(transportId as string, dtlsParameters);
      else if (method === 'produce') answer = await call.produce(transportId as string, rtpParameters);
      else answer = await call.consume(transportId as string, rtpCapabilities);
      reply({ type: 'answer', id, data: answer });
    } catch (error) {
      reply({ type: 'answer', id, error: (error as Error).message });
    }
  }
}
