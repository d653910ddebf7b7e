/**
 * One WebSocket that speaks the signaling protocol: requests with time-outs, answers and events checked against the
 * schemas of src/signaling/protocol.ts. One socket, one life: coming back after a loss is session-link.ts's work.
 */
import type { Clock, Timer } from '../../../src/clock.ts';
import {
  type SignalingAnswer,
  type SignalingData,
  type SignalingEventData,
  type SignalingEventName,
  type SignalingMethod,
  serverFrameSchema,
  signalingEvents,
  signalingRequests,
} from '../../../src/signaling/protocol.ts';
import { CallFailure } from './failure.ts';
import { parseJson } from './json.ts';

export interface SignalingSocketOptions {
  url: string;
  clock: Clock;
  /** Until the socket is open. */
  openTimeoutMs: number;
  /** Until a request is answered. */
  requestTimeoutMs: number;
}

/** Any event of the protocol: its name with the data that belongs to it. */
export type SignalingEvent = {
  /** `seq`: number of an `agent` event in its session. */
  [E in SignalingEventName]: { name: E; data: SignalingEventData<E>; seq?: number };
}[SignalingEventName];

export interface SocketClosed {
  /** Close code of RFC 6455, or one of CLOSE_CODES. */
  code: number;
  reason: string;
}

export interface SignalingSocketHandlers {
  event(event: SignalingEvent): void;
  /** Once, when the socket is gone and close() was not what did it. */
  closed(info: SocketClosed): void;
}

interface Waiting {
  method: SignalingMethod;
  resolve: (data: unknown) => void;
  reject: (error: Error) => void;
  timer: Timer;
}

export class SignalingSocket {
  readonly #socket: WebSocket;
  readonly #options: SignalingSocketOptions;
  readonly #waiting = new Map<number, Waiting>();
  #handlers: SignalingSocketHandlers | null;
  #nextId = 1;
  #lastHeardMs: number;
  #closed = false;

  private constructor(socket: WebSocket, options: SignalingSocketOptions, handlers: SignalingSocketHandlers) {
    this.#socket = socket;
    this.#options = options;
    this.#handlers = handlers;
    this.#lastHeardMs = options.clock.now();
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (close) => this.#end({ code: close.code, reason: close.reason });
  }

  /** @throws CallFailure SERVER_UNREACHABLE | SERVER_ANSWER; the signal's reason when it aborts */
  static open(
    options: SignalingSocketOptions,
    handlers: SignalingSocketHandlers,
    signal?: AbortSignal,
  ): Promise<SignalingSocket> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      let socket: WebSocket;
      try {
        socket = new WebSocket(options.url);
      } catch (error) {
        reject(CallFailure.of('SERVER_ANSWER', `The signaling address is unusable: ${options.url}`, error));
        return;
      }
      const settle = () => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        socket.onopen = null;
        socket.onclose = null;
      };
      const giveUp = (error: unknown) => {
        settle();
        socket.close();
        reject(error);
      };
      const onAbort = () => giveUp(signal?.reason);
      const timer = options.clock.setTimeout(
        () => giveUp(CallFailure.of('SERVER_UNREACHABLE', `No connection within ${options.openTimeoutMs} ms.`)),
        options.openTimeoutMs,
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      socket.onclose = ({ code }) => giveUp(CallFailure.of('SERVER_UNREACHABLE', `Connection refused (${code}).`));
      socket.onopen = () => {
        settle();
        resolve(new SignalingSocket(socket, options, handlers));
      };
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** When the server said something, of whatever kind, for the last time. */
  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }

  /**
   * Ask the server. `timeoutMs` is the options' where it is not given. @throws CallFailure with the server's code; CONNECTION_LOST when the socket goes first;
   * SERVER_UNREACHABLE when no answer came in time; SERVER_ANSWER when it is not what the protocol says.
   */
  request<M extends SignalingMethod>(
    method: M,
    data: SignalingData<M>,
    timeoutMs = this.#options.requestTimeoutMs,
  ): Promise<SignalingAnswer<M>> {
    if (this.#closed) return Promise.reject(CallFailure.of('CONNECTION_LOST', `The socket is closed (${method}).`));
    const id = this.#nextId++;
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        this.#waiting.delete(id);
        reject(CallFailure.of('SERVER_UNREACHABLE', `No answer to ${method} within ${timeoutMs} ms.`));
      }, timeoutMs);
      this.#waiting.set(id, { method, resolve: resolve as (data: unknown) => void, reject, timer });
      this.#socket.send(JSON.stringify({ id, method, data }));
    });
  }

  /** From now on neither events nor the closing are reported; requests that wait still get their answers. */
  detach(): void {
    this.#handlers = null;
  }

  /** Idempotent; `closed` is not reported. */
  close(): void {
    this.#handlers = null;
    this.#socket.close(1000);
    this.#end({ code: 1000, reason: '' });
  }

  #receive(raw: unknown): void {
    if (this.#closed) return;
    this.#lastHeardMs = this.#options.clock.now();
    const frame = serverFrameSchema.safeParse(typeof raw === 'string' ? parseJson(raw) : undefined);
    if (!frame.success) {
      this.#refuse('a frame that is not of the protocol');
      return;
    }
    if ('event' in frame.data) {
      this.#receiveEvent(frame.data.event, frame.data.data, frame.data.seq);
      return;
    }
    const { id } = frame.data;
    // An error without an id answers no request: the server closes next, and the close code says what it was.
    const waiting = id === null ? undefined : this.#waiting.get(id);
    if (id === null || !waiting) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    if (frame.data.ok === false) {
      waiting.reject(CallFailure.fromWire(frame.data.error));
      return;
    }
    const answer = signalingRequests[waiting.method].answer.safeParse(frame.data.data);
    if (answer.success) waiting.resolve(answer.data);
    else waiting.reject(CallFailure.of('SERVER_ANSWER', `${waiting.method}: ${firstIssue(answer.error)}`));
  }

  #receiveEvent(name: string, data: unknown, seq: number | undefined): void {
    // Events of a newer server that this page does not know are not its business.
    if (!Object.hasOwn(signalingEvents, name)) return;
    const parsed = signalingEvents[name as SignalingEventName].safeParse(data);
    if (!parsed.success) {
      this.#refuse(`event ${name}: ${firstIssue(parsed.error)}`);
      return;
    }
    this.#handlers?.event({ name, data: parsed.data, seq } as SignalingEvent);
  }

  #refuse(what: string): void {
    const handlers = this.#handlers;
    this.close();
    handlers?.closed({ code: 1002, reason: what });
  }

  #end(info: SocketClosed): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    for (const waiting of this.#waiting.values()) {
      waiting.timer.cancel();
      waiting.reject(CallFailure.of('CONNECTION_LOST', `The connection closed before ${waiting.method} was answered.`));
    }
    this.#waiting.clear();
    this.#handlers?.closed(info);
    this.#handlers = null;
  }
}

function firstIssue(error: { issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.map(String).join('.')}: ${issue.message}` : 'unreadable';
}
