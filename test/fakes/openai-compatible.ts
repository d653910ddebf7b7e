/**
 * A server on loopback that speaks OpenAI's `chat/completions` as other vendors do: with their departures from it, each
 * by a flag, and their troubles, each by name. After OpenAI's API reference (chat completions, streaming) and, for the
 * indices of tool calls, sgl-project/sglang issues 5661 and 6310; not recorded from any vendor.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FakeToolCall } from './openai.ts';

/** How it departs from OpenAI. */
export interface FakeDialect {
  /** Answers 400 to a message of the role `developer`. */
  readonly noDeveloperRole?: boolean;
  /** `same`: every call is number 0; `missing`: none has a number; `by-tool`: the tool's place in the request. */
  readonly toolCallIndices?: 'right' | 'same' | 'missing' | 'by-tool';
  /** Gives no ids to tool calls. */
  readonly noToolCallIds?: boolean;
  /** Answers 400 to `temperature` and `top_p`. */
  readonly refusesSampling?: boolean;
  /** Answers 400 to `tools` and to messages of the role `tool`. */
  readonly noTools?: boolean;
  /** Wants no key. */
  readonly keyless?: boolean;
  /** Before `/chat/completions`. */
  readonly basePath?: string;
}

export type FakeTrouble =
  | { readonly status: number }
  /** Takes the request and never answers. */
  | 'hang'
  /** Says its words, then nothing more. */
  | 'stall'
  /** Says its words, calls its tools, says why it ended, and leaves the connection open. */
  | 'stall-at-end'
  /** Drops the connection after its words. */
  | 'cut'
  /** Ends the answer after its words, as if it were whole. */
  | 'early-end'
  /** Half an event of JSON after its words. */
  | 'malformed'
  /** JSON of another shape after its words. */
  | 'wrong-shape'
  /** An error as an event after its words. */
  | 'error-event'
  /** A page of a proxy. */
  | 'html'
  /** Sends the client to another address. */
  | { readonly redirectTo: string };

/** Fields of a request that tests look at. */
export interface FakeCompatibleRequest {
  readonly model: string;
  readonly messages: readonly { role: string; content: string | null }[];
  readonly tools?: readonly { function: { name: string } }[];
  readonly temperature?: number;
  readonly top_p?: number;
}

export interface FakeAnswer {
  readonly text?: string;
  readonly toolCalls?: readonly FakeToolCall[];
}

export class FakeOpenAiCompatible {
  readonly apiKey = 'key-of-the-fake';
  readonly requests: FakeCompatibleRequest[] = [];
  /** Headers of each request, as they came. */
  readonly headers: IncomingMessage['headers'][] = [];
  trouble: FakeTrouble | null = null;
  answer: FakeAnswer = { text: 'Hello.' };
  readonly #dialect: FakeDialect;
  readonly #server: Server;
  #abandoned = 0;
  #waiting: (() => void)[] = [];
  #stalled: ServerResponse | null = null;

  private constructor(dialect: FakeDialect) {
    this.#dialect = dialect;
    this.#server = createServer((request, response) => {
      response.on('close', () => {
        if (response.writableFinished) return;
        this.#abandoned++;
        this.#wake();
      });
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(dialect: FakeDialect = {}): Promise<FakeOpenAiCompatible> {
    const fake = new FakeOpenAiCompatible(dialect);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get baseUrl(): string {
    return this.origin + (this.#dialect.basePath ?? '/v1');
  }

  /** Resolves when so many requests have come. */
  async requested(count: number): Promise<void> {
    while (this.requests.length < count) await this.#next();
  }

  /** Resolves when so many answers were given up by the client before they were whole. */
  async abandoned(count: number): Promise<void> {
    while (this.#abandoned < count) await this.#next();
  }

  /** Say more in the answer that stalled last. */
  more(text: string): void {
    this.#stalled?.write(event({ content: text }));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    this.headers.push(request.headers);
    if (!this.#dialect.keyless && request.headers.authorization !== `Bearer ${this.apiKey}`)
      return refuse(response, 401);
    if (`${request.method} ${request.url}` !== `POST ${this.#dialect.basePath ?? '/v1'}/chat/completions`) {
      return refuse(response, 404);
    }
    const asked = JSON.parse(Buffer.concat(parts).toString('utf8')) as FakeCompatibleRequest;
    this.requests.push(asked);
    this.#wake();
    if (this.#isRefused(asked)) return refuse(response, 400);
    this.#answer(asked, response);
  }

  #isRefused({ messages, tools, temperature, top_p: topP }: FakeCompatibleRequest): boolean {
    const { noDeveloperRole, noTools, refusesSampling } = this.#dialect;
    const roles = new Set(messages.map(({ role }) => role));
    return (
      (noDeveloperRole === true && roles.has('developer')) ||
      (noTools === true && (tools !== undefined || roles.has('tool'))) ||
      (refusesSampling === true && (temperature !== undefined || topP !== undefined))
    );
  }

  #answer(asked: FakeCompatibleRequest, response: ServerResponse): void {
    const { trouble } = this;
    if (trouble === 'hang') return;
    if (trouble === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a proxy says hello</html>');
      return;
    }
    if (typeof trouble === 'object' && trouble !== null) {
      if ('status' in trouble) refuse(response, trouble.status);
      else response.writeHead(307, { location: trouble.redirectTo }).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': a comment, as gateways send to keep the connection\n\n');
    response.write(event({ role: 'assistant', content: '' }));
    for (const word of this.answer.text?.match(/\S+\s*/g) ?? []) response.write(event({ content: word }));
    switch (trouble) {
      case 'stall':
        this.#stalled = response;
        return;
      case 'cut':
        response.write('data: {"choi', () => response.destroy());
        return;
      case 'early-end':
        response.end();
        return;
      case 'malformed':
        response.end('data: {"choices": [{"delta": 7}\n\n');
        return;
      case 'wrong-shape':
        response.end('data: {"choices": [{"delta": {"content": {"parts": []}}}]}\n\n');
        return;
      case 'error-event':
        response.end('data: {"error": {"message": "overloaded", "code": 503}}\n\n');
        return;
    }
    for (const piece of this.#toolCallPieces(asked)) response.write(event({ tool_calls: [piece] }));
    response.write(event({}, this.answer.toolCalls?.length ? 'tool_calls' : 'stop'));
    if (trouble === 'stall-at-end') return;
    // A closing chunk without choices, as servers that report usage send.
    response.write('data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}\n\n');
    response.end('data: [DONE]\n\n');
  }

  /** A head without arguments, then the arguments in halves, call after call. */
  #toolCallPieces(asked: FakeCompatibleRequest): unknown[] {
    const { toolCallIndices = 'right', noToolCallIds } = this.#dialect;
    return (this.answer.toolCalls ?? []).flatMap((call, place) => {
      const tool = asked.tools?.findIndex((each) => each.function.name === call.name) ?? 0;
      const number = { right: place, same: 0, missing: undefined, 'by-tool': tool }[toolCallIndices];
      const head = number === undefined ? {} : { index: number };
      const id = noToolCallIds ? {} : { id: `call-${place}` };
      const half = Math.ceil(call.arguments.length / 2);
      return [
        { ...head, ...id, type: 'function', function: { name: call.name, arguments: '' } },
        { ...head, function: { arguments: call.arguments.slice(0, half) } },
        { ...head, function: { arguments: call.arguments.slice(half) } },
      ];
    });
  }
}

function event(delta: unknown, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ id: 'fake', object: 'chat.completion.chunk', created: 1, model: 'fake', choices })}\n\n`;
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { message: `fake ${status}`, type: 'fake', code: null, param: null } }));
}
