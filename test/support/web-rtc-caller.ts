/** A real WebRTC caller of one EdgeCall for tests. Owns the child process that it runs in (web-rtc-child.ts). */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { EdgeCall, Offer } from '../../src/edge/index.ts';

export type ParentMessage =
  | ({ type: 'connect'; routerRtpCapabilities: never; hz?: number } & Offer)
  | { type: 'listen' | 'heard' | 'seen'; producerId: string }
  | { type: 'answer'; id: number; data?: unknown; error?: string }
  | { type: 'stats' | 'agent' | 'show' }
  | { type: 'hang-up' };

export type ChildMessage =
  | { type: 'request'; id: number; method: string; data: unknown }
  | { type: 'state'; direction: string; state: string }
  | { type: 'ready' }
  | { type: 'agent'; hz: number; rms: number }
  | { type: 'seen'; pictures: number }
  | { type: 'listening'; producerId: string }
  | { type: 'heard'; producerId: string; hz: number; rms: number }
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

  /** Resolves when the caller has set up both directions. @param hz of the tone that it sends */
  static async connect(call: EdgeCall, routerRtpCapabilities: unknown, hz?: number): Promise<WebRtcCaller> {
    const child = fork(new URL('./web-rtc-child.ts', import.meta.url), { execArgv: [] });
    const caller = new WebRtcCaller(child, call);
    const ready = caller.#next('ready');
    child.send({ type: 'connect', routerRtpCapabilities, hz, ...call.offer() });
    await ready;
    return caller;
  }

  /** Sends video from now on. */
  show(): void {
    this.#child.send({ type: 'show' });
  }

  /** Pictures of a video of another that were decoded here. */
  async seen(producerId: string): Promise<number> {
    const answered = this.#next('seen');
    this.#child.send({ type: 'seen', producerId });
    return (await answered).pictures;
  }

  /** Consumes the voice or video of another in the room. */
  async listenTo(producerId: string): Promise<void> {
    const listening = this.#next('listening');
    this.#child.send({ type: 'listen', producerId });
    await listening;
  }

  /** What the last 300 ms of that voice were, as it was decoded here: its pitch, and its level of 32767. */
  async heard(producerId: string): Promise<{ hz: number; rms: number }> {
    const answered = this.#next('heard');
    this.#child.send({ type: 'heard', producerId });
    return answered;
  }

  /** As `heard`, of the agent's voice. */
  async agent(): Promise<{ hz: number; rms: number }> {
    const answered = this.#next('agent');
    this.#child.send({ type: 'agent' });
    return answered;
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
        this.#child.off('message', onMessage).off('exit', onExit);
      };
      const onExit = (code: number | null, signal: string | null) =>
        reject(new Error(`the caller's process ended: ${code ?? signal}`));
      this.#child.on('message', onMessage).once('exit', onExit);
    });
  }

  async #answer({ id, method, data }: Extract<ChildMessage, { type: 'request' }>): Promise<void> {
    const { transportId, dtlsParameters, rtpParameters, rtpCapabilities, producerId, kind } = data as Record<
      string,
      string
    >;
    const reply = (message: ParentMessage) => this.#child.connected && this.#child.send(message);
    try {
      const call = this.#call;
      let answer: unknown = {};
      if (method === 'connectTransport') await call.connectTransport(transportId as string, dtlsParameters);
      else if (method === 'produce')
        answer = await call.produce(transportId as string, rtpParameters, kind as 'audio' | 'video');
      else answer = await call.consume(transportId as string, rtpCapabilities, producerId);
      reply({ type: 'answer', id, data: answer });
    } catch (error) {
      reply({ type: 'answer', id, error: (error as Error).message });
    }
  }
}
