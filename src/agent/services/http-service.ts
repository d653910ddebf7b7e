/**
 * A service that is asked by one POST of JSON and answers as it goes: by server-sent events, or by bytes. Owns the
 * request and what may go wrong with it; the words are the adapter's.
 */
import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { AntipodeError } from '../../errors.ts';
import { quotable, refusal } from './refusal.ts';
import { ServiceServer, type ServiceServerOptions } from './service-server.ts';

/** One question to a service. */
export interface HttpQuestion {
  /** Behind the base URL; may be empty. */
  readonly path: string;
  /** Sent as JSON; a text is sent as it is, with a `content-type` among its headers. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is sent, for those who sign it. */
export interface HttpOutgoing {
  readonly url: URL;
  readonly body: string;
}

export interface HttpServiceOptions extends ServiceServerOptions {
  /** With the key, if there is one. Asked for each request: some keys are short-lived, some sign what is sent. */
  readonly headers: (
    outgoing: HttpOutgoing,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
}

/** A server-sent event whose data is JSON. */
export interface JsonEvent {
  /** Null when it has no name. */
  readonly event: string | null;
  readonly data: unknown;
}

/** Characters of one event. */
const MAX_EVENT_CHARACTERS = 1_048_576;
/** Characters of a value of JSON: a minute of sound is 4 MB. */
const MAX_VALUE_CHARACTERS = 16_777_216;
/** Bytes of a refusal that are read. */
const MAX_REFUSAL_BYTES = 8_192;

/** The service said in its answer that it failed, by a status that stands for one of HTTP. */
export class StreamedRefusal extends Error {
  readonly status: number;

  constructor(status: number, words: string) {
    super(words);
    this.status = status;
  }
}

export class HttpService extends ServiceServer {
  readonly #options: HttpServiceOptions;

  constructor(options: HttpServiceOptions) {
    super(options);
    this.#options = options;
  }

  /**
   * Asks with `question`; each event of the answer is read by `read` as it comes. A `data: [DONE]` is none.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT; ERR_SHUTTING_DOWN when closed; the
   * signal's reason when aborted
   */
  events<Read>(turn: AbortSignal, question: HttpQuestion, read: (event: JsonEvent) => Read): AsyncIterable<Read> {
    return this.#ask(turn, question, (type) => type.startsWith('text/event-stream'), eventsOf, read);
  }

  /** The same for an answer of JSON, one value or one a line, whatever content type it has. */
  values<Read>(turn: AbortSignal, question: HttpQuestion, read: (value: unknown) => Read): AsyncIterable<Read> {
    return this.#ask(turn, question, (type) => /json|octet-stream|^text\/plain/.test(type), valuesOf, read);
  }

  /** The same for an answer of bytes, such as sound. */
  bytes<Read>(turn: AbortSignal, question: HttpQuestion, read: (bytes: Uint8Array) => Read): AsyncIterable<Read> {
    return this.#ask(
      turn,
      question,
      (type) => !/json|text|html/.test(type),
      (body) => body,
      read,
    );
  }

  protected explain(cause: unknown): AntipodeError {
    const { label, apiKey } = this.#options;
    const failed = (what: string) => new AntipodeError('ERR_SERVICE_FAILED', `${label} ${what}.`, { cause });
    if (cause instanceof StreamedRefusal) {
      return refusal(label, cause.status, { words: quotable(cause.message, apiKey ?? 'no key'), cause });
    }
    if (cause instanceof SyntaxError) return failed('sent what is not JSON, or half of it');
    if (cause instanceof z.ZodError) return failed('sent a message of another shape than its dialect has');
    if (cause instanceof Error && 'syscall' in cause) {
      return new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${label} cannot be reached, or hung up.`, { cause });
    }
    return failed('broke off its answer');
  }

  #ask<Part, Read>(
    turn: AbortSignal,
    question: HttpQuestion,
    isWanted: (contentType: string) => boolean,
    partsOf: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Part>,
    read: (part: Part) => Read,
  ): AsyncIterable<Read> {
    return this.inParts(turn, async (signal) => partsOf(await this.#post(question, signal, isWanted)), read);
  }

  async #post(
    question: HttpQuestion,
    signal: AbortSignal,
    isWanted: (contentType: string) => boolean,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { baseUrl, headers, label, apiKey } = this.#options;
    const url = new URL(`${baseUrl.replace(/\/$/, '')}${question.path}`);
    const isText = typeof question.body === 'string';
    const body = isText ? (question.body as string) : JSON.stringify(question.body);
    const response = await this.connections.fetch(url, {
      method: 'POST',
      headers: {
        ...(!isText && { 'content-type': 'application/json' }),
        ...question.headers,
        ...(await headers({ url, body })),
      },
      body,
      signal,
    });
    if (!response.ok) {
      const words = quotable(refusalWords(await textOf(response)), apiKey ?? 'no key');
      throw refusal(label, response.status, { words, retryAfter: response.headers.get('retry-after') });
    }
    const type = response.headers.get('content-type') ?? '';
    if (isWanted(type) && response.body !== null) return response.body;
    await response.body?.cancel();
    throw new AntipodeError('ERR_SERVICE_FAILED', `${label} answered with "${type.slice(0, 80)}", not as it should.`);
  }
}

async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncIterable<JsonEvent> {
  let come: JsonEvent[] = [];
  let done = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: ({ event = null, data }) => {
      if (data === '[DONE]') done = true;
      else if (!done) come.push({ event, data: JSON.parse(data) });
    },
    onError: (error) => {
      // A line that is none of the format: what proxies put between events is no event.
      if (error.type === 'max-buffer-size-exceeded') throw error;
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    const events = come;
    come = [];
    yield* events;
    if (done) return;
  }
}

/** Whole lines, each a value; a value may also be alone, over several lines. */
async function* valuesOf(body: AsyncIterable<Uint8Array>): AsyncIterable<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    if (rest.length > MAX_VALUE_CHARACTERS) throw new SyntaxError('A value is too long.');
    const lines = rest.split('\n');
    // The beginning of a value that goes over lines is none by itself.
    if (lines.length < 2 || /^\s*[[{]\s*$/.test(lines[0]!)) continue;
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line);
  }
  if (rest.trim() !== '') yield JSON.parse(rest);
}

/** What the service says of its refusal: it is short, or cut. */
async function textOf(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MAX_REFUSAL_BYTES) break;
  }
  return text.slice(0, MAX_REFUSAL_BYTES);
}

const refusalSchema = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z
    .array(z.object({ error: z.object({ message: z.string() }) }))
    .min(1)
    .transform(([first]) => first!.error.message),
  z.object({ message: z.string() }).transform(({ message }) => message),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
]);

/** Its sentence, where it says one as JSON; nothing else of it is for people. */
function refusalWords(text: string): string {
  try {
    return refusalSchema.parse(JSON.parse(text));
  } catch {
    return '';
  }
}
