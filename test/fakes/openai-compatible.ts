/**
 * A server on loopback that speaks OpenAI's `chat/completions` as other vendors do: with their departures from it, each
 * by a flag, and their troubles, each by name. After OpenAI's API reference (chat completions, streaming) and, for the
 * indices of tool calls, sgl-project/sglang issues 5661 and 6310; not recorded from any vendor.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyOf, chatEvent, HttpFake, refuse, usageEvent } from './http-fake.ts';
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
  /** Answers 400 to `stream_options`, and counts unasked. */
  readonly noStreamOptions?: boolean;
  /** Wants no key. */
  readonly keyless?: boolean;
  /** Before `/chat/completions`. */
  readonly basePath?: string;
}

export type FakeTrouble =
  | { readonly status: number; readonly retryAfterSeconds?: number }
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
  /** Ends in good order and has said nothing. */
  | 'empty'
  /** Half an event, and the end of the answer. */
  | 'half-event'
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
  readonly stream_options?: { readonly include_usage?: boolean };
}

export interface FakeTiming {
  /** Before the first byte of an answer, ms. */
  readonly latency?: () => number;
  /** Between words, ms. */
  readonly spacing?: () => number;
}

export interface FakeAnswer {
  readonly text?: string;
  readonly toolCalls?: readonly FakeToolCall[];
}

export class FakeOpenAiCompatible extends HttpFake {
  readonly apiKey = 'key-of-the-fake';
  readonly requests: FakeCompatibleRequest[] = [];
  /** Headers of each request, as they came. */
  readonly headers: IncomingMessage['headers'][] = [];
  trouble: FakeTrouble | null = null;
  answer: FakeAnswer = { text: 'Hello.' };
  /** Makes an answer of each request, instead of `answer`. */
  answerTo: ((asked: FakeCompatibleRequest) => FakeAnswer) | null = null;
  readonly #dialect: FakeDialect;
  readonly #timing: FakeTiming;
  #stalled: ServerResponse | null = null;

  private constructor(dialect: FakeDialect, timing: FakeTiming) {
    super();
    this.#dialect = dialect;
    this.#timing = timing;
  }

  static start(dialect: FakeDialect = {}, timing: FakeTiming = {}): Promise<FakeOpenAiCompatible> {
    return new FakeOpenAiCompatible(dialect, timing).listen();
  }

  get baseUrl(): string {
    return this.origin + (this.#dialect.basePath ?? '/v1');
  }

  /** Resolves when so many requests have come. */
  requested(count: number): Promise<void> {
    return this.until(() => this.requests.length >= count);
  }

  /** Resolves when so many answers were given up by the client before they were whole. */
  abandoned(count: number): Promise<void> {
    return this.until(() => this.abandonedCount >= count);
  }

  /** Say more in the answer that stalled last. */
  more(text: string): void {
    this.#stalled?.write(chatEvent({ content: text }));
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    this.headers.push(request.headers);
    if (!this.#dialect.keyless && request.headers.authorization !== `Bearer ${this.apiKey}`)
      return refuse(response, 401);
    if (`${request.method} ${request.url}` !== `POST ${this.#dialect.basePath ?? '/v1'}/chat/completions`) {
      return refuse(response, 404);
    }
    const asked = JSON.parse(body.toString('utf8')) as FakeCompatibleRequest;
    this.requests.push(asked);
    this.changed();
    if (this.#isRefused(asked)) return refuse(response, 400);
    await pause(this.#timing.latency);
    await this.#answer(asked, response);
  }

  #isRefused(asked: FakeCompatibleRequest): boolean {
    const { messages, tools, temperature, top_p: topP } = asked;
    const { noDeveloperRole, noTools, noStreamOptions, refusesSampling } = this.#dialect;
    const roles = new Set(messages.map(({ role }) => role));
    return (
      (noStreamOptions === true && asked.stream_options !== undefined) ||
      (noDeveloperRole === true && roles.has('developer')) ||
      (noTools === true && (tools !== undefined || roles.has('tool'))) ||
      (refusesSampling === true && (temperature !== undefined || topP !== undefined))
    );
  }

  async #answer(asked: FakeCompatibleRequest, response: ServerResponse): Promise<void> {
    const { trouble } = this;
    if (trouble === 'hang') return;
    const answer = this.answerTo?.(asked) ?? this.answer;
    if (trouble === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a proxy says hello</html>');
      return;
    }
    if (typeof trouble === 'object' && trouble !== null) {
      if ('status' in trouble) refuse(response, trouble.status, trouble.retryAfterSeconds);
      else response.writeHead(307, { location: trouble.redirectTo }).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': a comment, as gateways send to keep the connection\n\n');
    response.write(chatEvent({ role: 'assistant', content: '' }));
    for (const word of trouble === 'empty' ? [] : (answer.text?.match(/\S+\s*/g) ?? [])) {
      response.write(chatEvent({ content: word }));
      await pause(this.#timing.spacing);
      if (response.destroyed) return;
    }
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
      case 'half-event':
        response.end('data: {"choices": [{"del');
        return;
      case 'wrong-shape':
        response.end('data: {"choices": [{"delta": {"content": {"parts": []}}}]}\n\n');
        return;
      case 'error-event':
        response.end('data: {"error": {"message": "overloaded", "code": 503}}\n\n');
        return;
    }
    if (trouble !== 'empty') {
      for (const piece of this.#toolCallPieces(asked, answer)) response.write(chatEvent({ tool_calls: [piece] }));
    }
    response.write(chatEvent({}, answer.toolCalls?.length ? 'tool_calls' : 'stop'));
    if (trouble === 'stall-at-end') return;
    if (asked.stream_options?.include_usage || this.#dialect.noStreamOptions) response.write(usageEvent(9, 4, 3));
    response.end('data: [DONE]\n\n');
  }

  /** A head without arguments, then the arguments in halves, call after call. */
  #toolCallPieces(asked: FakeCompatibleRequest, answer: FakeAnswer): unknown[] {
    const { toolCallIndices = 'right', noToolCallIds } = this.#dialect;
    return (answer.toolCalls ?? []).flatMap((call, place) => {
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

/** Timers are not free: no latency is no turn of the event loop. */
async function pause(draw: (() => number) | undefined): Promise<void> {
  if (draw !== undefined) await sleep(draw());
}
