/**
 * A service that is asked by one POST of JSON and answers as it goes: by server-sent events, or by bytes. Owns the
 * request and what may go wrong with it; the words are the adapter's.
 */
import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { AntipodeError } from '../../errors.ts';
import { quotable, refusal } from './refusal.ts';
import { ServiceServer, type ServiceServerOptions } from './service-server.ts';

export interface HttpServiceOptions extends ServiceServerOptions {
  /** With the key, if there is one. Asked for each request: some keys are short-lived. */
  readonly headers: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
}

/** A server-sent event whose data is JSON. */
export interface JsonEvent {
  /** Null when it has no name. */
  readonly event: string | null;
  readonly data: unknown;
}

/** Characters of one event. */
const MAX_EVENT_CHARACTERS = 1_048_576;
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
   * Asks `path` of the base URL with `body`; each event of the answer is read by `read` as it comes. A `data: [DONE]` is
   * none.
   * @throws ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT; ERR_SHUTTING_DOWN when closed; the
   * signal's reason when aborted
   */
  events<Read>(turn: AbortSignal, path: string, body: unknown, read: (event: JsonEvent) => Read): AsyncIterable<Read> {
    const ask = async (signal: AbortSignal) => {
      const response = await this.#post(path, body, signal, 'text/event-stream');
      return eventsOf(response.body!);
    };
    return this.inParts(turn, ask, read);
  }

  /**
   * The same for an answer of bytes, such as sound.
   * @param isWanted whether an answer of this content type is one
   */
  bytes<Read>(
    turn: AbortSignal,
    path: string,
    body: unknown,
    isWanted: (contentType: string) => boolean,
    read: (bytes: Uint8Array) => Read,
  ): AsyncIterable<Read> {
    const ask = async (signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
      const response = await this.#post(path, body, signal, isWanted);
      return response.body!;
    };
    return this.inParts(turn, ask, read);
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

  async #post(
    path: string,
    body: unknown,
    signal: AbortSignal,
    wanted: string | ((contentType: string) => boolean),
  ): Promise<Response> {
    const { baseUrl, headers, label, apiKey } = this.#options;
    const response = await this.connections.fetch(`${baseUrl.replace(/\/$/, '')}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(await headers()) },
      body: JSON.stringify(body),
      signal,
    });
    const type = response.headers.get('content-type') ?? '';
    if (response.status !== 200) {
      const words = quotable(refusalWords(await textOf(response)), apiKey ?? 'no key');
      throw refusal(label, response.status, { words, retryAfter: response.headers.get('retry-after') });
    }
    const isWanted = typeof wanted === 'string' ? type.startsWith(wanted) : wanted(type);
    if (isWanted && response.body !== null) return response;
    await response.body?.cancel();
    throw new AntipodeError(
      'ERR_SERVICE_FAILED',
      `${label} answered with "${type.slice(0, 80)}", not as its dialect does.`,
    );
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
