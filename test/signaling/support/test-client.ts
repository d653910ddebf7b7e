/** A WebSocket client that hides nothing: raw frames out, every frame in, the close code. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type JoinAnswer, SIGNALING_VERSION } from '../../../src/signaling/index.ts';

export interface Frame {
  id?: number | null;
  ok?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: tests read into answers of many shapes
  data?: any;
  error?: { code: string; message: string; retryable: boolean; path?: string };
  event?: string;
  seq?: number;
}

export class TestClient {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #nextId = 1;
  #waiting: (() => void)[] = [];

  constructor(url: string, options: { autoPong?: boolean; headers?: Record<string, string> } = {}) {
    this.ws = new WebSocket(url, options);
    this.ws.on('error', () => undefined);
    this.ws.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
  }

  async open(): Promise<this> {
    if (this.ws.readyState === WebSocket.CONNECTING) await once(this.ws, 'open');
    return this;
  }

  /** Sends a request and answers with its frame, be it ok or not. */
  async request(method: string, data: unknown = {}): Promise<Frame> {
    const id = this.#nextId++;
    this.ws.send(JSON.stringify({ id, method, data }));
    return this.frame((frame) => frame.id === id);
  }

  /** The first frame that fits, now or later; fails when the socket closes first. */
  async frame(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found) return found;
      if (this.ws.readyState === WebSocket.CLOSED) throw new Error('closed before the frame came');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  error(): Promise<Frame> {
    return this.frame((frame) => frame.ok === false);
  }

  async join(token: string): Promise<JoinAnswer> {
    const frame = await this.request('join', { version: SIGNALING_VERSION, token });
    if (!frame.ok) throw new Error(`join refused: ${frame.error?.code}`);
    return frame.data;
  }

  resume(resumeToken: string, keepMedia = true): Promise<Frame> {
    return this.request('resume', { version: SIGNALING_VERSION, resumeToken, keepMedia });
  }

  events(name: string): Frame[] {
    return this.frames.filter((frame) => frame.event === name);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
