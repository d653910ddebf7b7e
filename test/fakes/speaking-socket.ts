/**
 * What the fakes of text to speech over a WebSocket share: a real server on loopback that accepts by key, a voice of
 * tones with the times of its words, and every way to fail. Speaks no vendor's messages itself.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';

/** How the service treats a sentence. */
export type SpeechFault =
  /** Takes the text and says nothing. */
  | 'hang'
  /** Drops the connection before, or after, the first audio. */
  | 'cut-before-audio'
  | 'cut-after-audio'
  /** Half a message of JSON; JSON of the wrong shape; audio that is not base64; no audio at all. */
  | 'half-message'
  | 'wrong-shape'
  | 'bad-base64'
  | 'no-audio'
  /** Says the first of it, and then nothing. */
  | 'stall'
  /** Silence without an end. */
  | 'endless'
  /** Says so in the protocol's words. */
  | { readonly status: number };

export interface SpokenTone {
  readonly pcm: Int16Array;
  readonly words: readonly { readonly text: string; readonly startMs: number; readonly endMs: number }[];
}

export interface SpeechSocketFakeOptions {
  apiKey?: string;
  /** Before a sentence's first audio. */
  latencyMs?: number;
  /** The same, drawn for each sentence. */
  latency?(): number;
  /** What it speaks with. @defaultValue tones */
  voice?(text: string, sampleRate: number): SpokenTone | Promise<SpokenTone>;
  /** Between pieces of audio. */
  spacingMs?: number;
  /** Of audio in a message. */
  pieceMs?: number;
  /** Waited for before each piece of a sentence, by its number from 0. */
  beforePiece?(piece: number): Promise<void> | void;
}

/** Longer than any test. */
const MANY_MS = 10 * 60_000;
const MS_PER_LETTER = 20;
const GAP_MS = 40;

/** A tone for each word, its pitch by its letters, and a gap after it. The same text sounds always the same. */
export function toneVoice(text: string, sampleRate: number): SpokenTone {
  const found = text.match(/\S+/g) ?? [];
  const lengthMs = found.reduce((sum, word) => sum + word.length * MS_PER_LETTER + GAP_MS, 0);
  const pcm = new Int16Array((lengthMs * sampleRate) / 1_000);
  let startMs = 0;
  const words = found.map((word) => {
    const endMs = startMs + word.length * MS_PER_LETTER;
    let letters = 0;
    for (let index = 0; index < word.length; index++) letters += word.charCodeAt(index);
    const step = ((200 + (letters % 900)) * 2 * Math.PI) / sampleRate;
    const end = (endMs * sampleRate) / 1_000;
    for (let at = (startMs * sampleRate) / 1_000; at < end; at++) pcm[at] = Math.round(Math.sin(at * step) * 8_000);
    const spoken = { text: word, startMs, endMs };
    startMs = endMs + GAP_MS;
    return spoken;
  });
  return { pcm, words };
}

export abstract class SpeechSocketFake {
  readonly apiKey: string;
  /** Faults of the next sentences, in order; null is a good one. */
  readonly faults: (SpeechFault | null)[] = [];
  /** Answers handshakes with this status while it is set. */
  refusesWith: number | null = null;
  /** With a refusal. */
  retryAfterSeconds: number | null = null;
  /** Takes handshakes and does not answer them. */
  hangsAtHandshake = false;
  handshakes = 0;
  /** Headers and addresses of the handshakes. */
  readonly requests: { readonly url: string; readonly headers: IncomingMessage['headers'] }[] = [];
  /** Messages of the clients. */
  readonly received: Record<string, unknown>[] = [];
  /** Contexts that were canceled while they were spoken. */
  readonly canceled: string[] = [];
  /** Sentences that are being spoken, over all connections. */
  speaking = 0;
  protected readonly options: Required<Omit<SpeechSocketFakeOptions, 'apiKey' | 'latencyMs'>>;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #unanswered: Duplex[] = [];

  constructor(options: SpeechSocketFakeOptions) {
    this.apiKey = options.apiKey ?? 'fake-key-7f3a';
    const { latencyMs = 0 } = options;
    const defaults = { spacingMs: 0, pieceMs: 100, beforePiece() {}, voice: toneVoice, latency: () => latencyMs };
    this.options = { ...defaults, ...options };
    this.#server = createServer();
    this.#server.on('upgrade', (request, socket, head) => {
      this.handshakes++;
      this.requests.push({ url: request.url ?? '', headers: request.headers });
      socket.on('error', () => {});
      if (this.hangsAtHandshake) {
        this.#unanswered.push(socket);
        return;
      }
      const status = this.refusesWith ?? this.accept(request);
      if (status !== null) {
        const wait = this.retryAfterSeconds === null ? '' : `retry-after: ${this.retryAfterSeconds}\r\n`;
        socket.end(`HTTP/1.1 ${status} Refused\r\n${wait}content-type: text/plain\r\ncontent-length: 2\r\n\r\nno`);
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('error', () => {});
        webSocket.setMaxListeners(0); // one a sentence
        webSocket.on('message', (data) => {
          const message = JSON.parse(String(data));
          this.received.push(message);
          this.onMessage(webSocket, message, request);
        });
      });
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get baseUrl(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get isListening(): boolean {
    return this.#server.listening;
  }

  get connectionCount(): number {
    return this.#sockets.clients.size;
  }

  /** Drop every connection, as a network does. */
  dropConnections(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  async close(): Promise<void> {
    this.dropConnections();
    for (const socket of this.#unanswered) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Null, or the status to refuse a handshake with. */
  protected abstract accept(request: IncomingMessage): number | null;
  protected abstract onMessage(socket: WebSocket, message: Record<string, unknown>, request: IncomingMessage): void;

  /** Messages of a piece of a sentence's audio; `fromMs` and `toMs` are where it stands in the sentence. */
  protected abstract piece(
    contextId: string,
    base64: string,
    spoken: SpokenTone,
    fromMs: number,
    toMs: number,
  ): unknown[];
  protected abstract end(contextId: string): unknown;
  protected abstract failure(contextId: string, status: number): unknown;

  /** Say a sentence, or fail as the next fault says. Resolves true when it is over at the service, but for `signal`. */
  protected async speak(
    socket: WebSocket,
    context: { contextId: string; text: string; sampleRate: number; signal: AbortSignal },
  ): Promise<boolean> {
    const { contextId, text, sampleRate } = context;
    const { latency, spacingMs, pieceMs, beforePiece, voice } = this.options;
    const fault = this.faults.shift() ?? null;
    const gone = new AbortController();
    const onClose = () => gone.abort();
    socket.once('close', onClose);
    const signal = AbortSignal.any([context.signal, gone.signal]);
    const send = (message: unknown) => socket.send(JSON.stringify(message));
    this.speaking++;
    try {
      await sleep(latency(), undefined, { signal });
      if (fault === 'hang') await sleep(MANY_MS, undefined, { signal, ref: false });
      const silence = Buffer.alloc(sampleRate * 2).toString('base64');
      while (fault === 'endless') {
        for (const message of this.piece(contextId, silence, { pcm: new Int16Array(0), words: [] }, 0, 1_000))
          send(message);
        await sleep(1, undefined, { signal });
      }
      if (fault !== null && fault !== 'cut-after-audio' && fault !== 'stall' && fault !== 'hang') {
        this.#fail(socket, contextId, fault);
        return true;
      }
      const spoken = await voice(text, sampleRate);
      const bytes = Buffer.from(spoken.pcm.buffer, spoken.pcm.byteOffset, spoken.pcm.byteLength);
      const lengthMs = (spoken.pcm.length * 1_000) / sampleRate;
      for (let fromMs = 0; fromMs < lengthMs; fromMs += pieceMs) {
        if (fromMs > 0 && spacingMs > 0) await sleep(spacingMs, undefined, { signal });
        await beforePiece(fromMs / pieceMs);
        signal.throwIfAborted();
        const toMs = Math.min(fromMs + pieceMs, lengthMs);
        const [from, to] = [fromMs, toMs].map((ms) => oddCut((ms * sampleRate) / 500, bytes.length));
        const base64 = bytes.toString('base64', from!, to!);
        for (const message of this.piece(contextId, base64, spoken, fromMs, toMs)) send(message);
        if (fault === 'stall') await sleep(MANY_MS, undefined, { signal, ref: false });
        if (fault === 'cut-after-audio') {
          setImmediate(() => socket.close(1011));
          return true;
        }
      }
      send(this.end(contextId));
      return true;
    } catch (error) {
      if (!signal.aborted) throw error;
      if (context.signal.aborted) this.canceled.push(contextId);
      return false;
    } finally {
      socket.off('close', onClose);
      this.speaking--;
    }
  }

  #fail(
    socket: WebSocket,
    contextId: string,
    fault: Exclude<SpeechFault, 'hang' | 'stall' | 'cut-after-audio' | 'endless'>,
  ): void {
    const send = (message: unknown) => socket.send(JSON.stringify(message));
    if (typeof fault === 'object') {
      send(this.failure(contextId, fault.status));
      return;
    }
    switch (fault) {
      case 'cut-before-audio':
        socket.terminate();
        return;
      case 'half-message':
        socket.send('{"type": "chunk", "data": "AA');
        return;
      case 'wrong-shape':
        send({ type: 'chunk', context_id: 7, contextId: 7, audio: 7 });
        return;
      case 'bad-base64': {
        const silence = { pcm: new Int16Array(0), words: [] };
        for (const message of this.piece(contextId, '*not base64*', silence, 0, 0)) send(message);
        return;
      }
      case 'no-audio':
        send(this.end(contextId));
    }
  }
}

/** Pieces break inside of samples, for nothing says that they don't. */
function oddCut(byte: number, length: number): number {
  return byte === 0 || byte >= length ? byte : byte + 1;
}
