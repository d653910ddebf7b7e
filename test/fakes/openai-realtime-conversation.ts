/**
 * OpenAI's realtime conversations on loopback (`/v1/realtime?model=`): keys, sessions and faults. What a connection says
 * is in openai-realtime-conversation-dialog.ts. Made from the event types of the `openai` package (resources/realtime)
 * and the errors that public agent frameworks report of the service; not recorded.
 */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { ConversationDialog } from './openai-realtime-conversation-dialog.ts';
import { hearTones } from './tone-words.ts';

/** Something that the service knows of the conversation. */
export interface FakeItem {
  readonly id: string;
  readonly type: 'message' | 'function_call' | 'function_call_output';
  readonly role?: 'user' | 'assistant' | 'system';
  /** Words; of a truncated answer none are left, as with the service. */
  text: string;
  /** Sound of an answer, ms; null for text. */
  audioMs: number | null;
  truncated?: boolean;
  readonly callId?: string;
  readonly name?: string;
}

export interface FakeAnswer {
  say?: string;
  calls?: { name: string; arguments: string }[];
  /** The response ends as failed with this code. */
  fail?: string;
  /** Its status when it is neither failed nor cancelled. */
  status?: 'completed' | 'incomplete';
}

export interface FakeQuestion {
  /** Of this one response, else of the session. */
  readonly instructions: string;
  readonly items: readonly FakeItem[];
  /** The last thing that the caller said. */
  readonly said: string;
}

export interface RealtimeConversationFaults {
  /** Answer upgrades with this status; for the next `refusals`. */
  refuse?: number;
  refusals?: number;
  /** Never answer an upgrade. */
  hang?: boolean;
  /** Take everything, say nothing. */
  silent?: boolean;
  /** Ignore so many requests for an answer. */
  stalls?: number;
  /** Drop the connection after so many chunks of an answer's sound; for the next `cuts` answers. */
  cutAfterChunks?: number;
  cuts?: number;
  /** Before each event: `json` is half a frame, `shape` a known event without its fields. */
  garbage?: 'json' | 'shape';
  /** An `error` event with this code answers each request for an answer. */
  errorCode?: string;
  /** An `error` event with this code answers the session's set-up. */
  sessionErrorCode?: string;
  /** Words of the caller never come, or fail. */
  transcripts?: 'none' | 'fail';
  /** Every truncation is refused. */
  refuseTruncation?: boolean;
  /** Answer no pings. */
  deaf?: boolean;
}

export interface RealtimeConversationOptions {
  /** What the service answers. @defaultValue says back what it heard */
  answer?(question: FakeQuestion): FakeAnswer;
  /** Its voice, 24 kHz. @defaultValue a tone of 50 ms a letter */
  voice?(text: string): Int16Array | Promise<Int16Array>;
  /** How it understands sound of 24 kHz. @defaultValue tone-words.ts */
  hear?(pcm: Int16Array): string;
  /** From the request to the answer. */
  latencyMs?: number;
  /** Between chunks of 100 ms of an answer. */
  spacingMs?: number;
  /** From the end of an utterance to its words. */
  transcriptDelayMs?: number;
}

export const MS_PER_LETTER = 50;

export class FakeRealtimeConversation {
  readonly apiKey = 'sk-fake-key';
  readonly faults: RealtimeConversationFaults = {};
  readonly requests: { url: URL; headers: IncomingHttpHeaders }[] = [];
  /** Every event that came, over all connections. */
  readonly received: { type: string; [field: string]: unknown }[] = [];
  readonly dialogs: ConversationDialog[] = [];
  readonly options: Required<RealtimeConversationOptions>;
  readonly #server: Server = createServer((_request, response) => response.writeHead(404).end());
  #sockets = new WebSocketServer({ noServer: true });
  readonly #streams = new Set<Duplex>();

  private constructor(options: RealtimeConversationOptions) {
    this.options = {
      answer: ({ said, instructions }) => ({
        say: /say exactly/i.test(instructions) ? quoted(instructions) : `You said ${said}.`,
      }),
      voice: (text) => new Int16Array(text.length * MS_PER_LETTER * 24).fill(1_000),
      hear: (pcm) =>
        hearTones(pcm, 24_000)
          .map(({ text }) => text)
          .join(' '),
      latencyMs: 0,
      spacingMs: 0,
      transcriptDelayMs: 0,
      ...options,
    };
    this.#server.on('upgrade', (request, stream, head) => {
      this.#streams.add(stream);
      stream.on('close', () => this.#streams.delete(stream));
      stream.on('error', () => {});
      const url = new URL(request.url ?? '', this.url);
      this.requests.push({ url, headers: request.headers });
      if (this.faults.hang) return;
      const status = this.#refusal() ?? (this.#allows(request.headers, url) ? 101 : 401);
      if (status !== 101) {
        stream.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      const sockets = this.faults.deaf ? new WebSocketServer({ noServer: true, autoPong: false }) : this.#sockets;
      sockets.handleUpgrade(request, stream, head, (socket) => {
        this.dialogs.push(new ConversationDialog(socket, this));
      });
    });
  }

  static async start(options: RealtimeConversationOptions = {}): Promise<FakeRealtimeConversation> {
    const fake = new FakeRealtimeConversation(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  #refusal(): number | undefined {
    const { refuse, refusals } = this.faults;
    if (refuse === undefined || refusals === undefined) return refuse;
    if (refusals === 0) return undefined;
    this.faults.refusals = refusals - 1;
    return refuse;
  }

  #allows(headers: IncomingHttpHeaders, url: URL): boolean {
    const given = headers.authorization ?? `Bearer ${headers['api-key']}`;
    return url.pathname === '/v1/realtime' && given === `Bearer ${this.apiKey}`;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/realtime`;
  }

  /** Connections that are open. */
  get openCount(): number {
    return this.#streams.size;
  }

  /** The connection that was opened last. */
  get dialog(): ConversationDialog {
    return this.dialogs.at(-1)!;
  }

  /** What the service would answer from, a line each. */
  get context(): string[] {
    return this.dialog.items.map(lineOf);
  }

  /** Events of a type that came. */
  of(type: string): { type: string; [field: string]: unknown }[] {
    return this.received.filter((event) => event.type === type);
  }

  /** Drop every connection, as a network does. */
  dropAll(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  async close(): Promise<void> {
    for (const dialog of this.dialogs) dialog.stop();
    this.dropAll();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

function quoted(instructions: string): string {
  return /"([^"]*)"/.exec(instructions)?.[1] ?? 'I have nothing to say.';
}

function lineOf(item: FakeItem): string {
  switch (item.type) {
    case 'function_call':
      return `call ${item.name}(${item.text})`;
    case 'function_call_output':
      return `result ${item.text}`;
    default: {
      const sound = item.audioMs === null ? '' : ` [${item.truncated ? 'cut to ' : ''}${item.audioMs} ms]`;
      return `${item.role}: ${item.text}${sound}`;
    }
  }
}
