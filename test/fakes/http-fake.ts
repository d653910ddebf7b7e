/**
 * What the fakes of HTTP services share: a real server on loopback that counts connections and answers that the client
 * gave up, and can be waited for. The protocol is the fake's own.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export abstract class HttpFake {
  /** Connections that were ever opened: a second request on the first one opens none. */
  connections = 0;
  /** Headers of every GET, by which clients open connections ahead. */
  readonly warmings: IncomingMessage['headers'][] = [];
  /** Answers that the client gave up before they were whole. */
  abandonedCount = 0;
  readonly #server: Server;
  #open = 0;
  #waiting: (() => void)[] = [];

  constructor() {
    this.#server = createServer((request, response) => {
      response.on('close', () => {
        if (response.writableFinished) return;
        this.abandonedCount++;
        this.changed();
      });
      if (request.method === 'GET') {
        this.warmings.push(request.headers);
        response.writeHead(404).end('nothing here');
        return;
      }
      this.serve(request, response).catch(() => response.destroy());
    });
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.#open++;
      socket.on('close', () => this.#open--);
    });
    // As load balancers do: longer than any test.
    this.#server.keepAliveTimeout = 600_000;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections that are open now. */
  get openCount(): number {
    return this.#open;
  }

  /** Drop every connection, as a load balancer does with idle ones. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  protected abstract serve(request: IncomingMessage, response: ServerResponse): Promise<void>;

  /** Tell those who wait to look again. */
  protected changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves once `is` holds; looked at whenever something changed. */
  protected async until(is: () => boolean): Promise<void> {
    while (!is()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const part of request) chunks.push(part as Buffer);
  return Buffer.concat(chunks);
}

/** An error as OpenAI's dialect tells it. */
export function refuse(response: ServerResponse, status: number, retryAfterSeconds?: number): void {
  const retry = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(status, { 'content-type': 'application/json', ...retry });
  response.end(JSON.stringify({ error: { message: `fake ${status}`, type: 'fake', code: null, param: null } }));
}

/** A part of a streamed chat answer, as a server-sent event. */
export function chatEvent(delta: unknown, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return event({ id: 'fake', object: 'chat.completion.chunk', created: 1, model: 'fake', choices });
}

/** The closing part, without choices, of servers that were asked to count. */
export function usageEvent(prompt_tokens: number, cached_tokens: number, completion_tokens: number): string {
  const total_tokens = prompt_tokens + completion_tokens;
  const usage = { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: { cached_tokens } };
  return event({ id: 'fake', object: 'chat.completion.chunk', created: 1, model: 'fake', choices: [], usage });
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}
