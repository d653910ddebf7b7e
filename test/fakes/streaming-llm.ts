/**
 * What the fakes of language models with a dialect of their own share: a conversation partner on loopback that answers by
 * server-sent events, and its troubles, each by name. The words on the wire are each fake's own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf, HttpFake, refuse } from './http-fake.ts';
import type { FakeAnswer, FakeTrouble } from './openai-compatible.ts';

/** A dialect's words; each is a whole server-sent event, or several. */
export interface StreamedWords {
  begin(): string;
  word(text: string): string;
  toolCall(call: { name: string; arguments: string }, place: number): string;
  /** Why it ended, and what was counted: 9 tokens in, 4 of them cached, 3 out. */
  end(hasCalls: boolean): string;
  /** Of the service, in the middle of its answer. */
  error(): string;
  wrongShape(): string;
}

export abstract class StreamingLlmFake extends HttpFake {
  readonly apiKey = 'key-of-the-fake';
  readonly requests: unknown[] = [];
  trouble: FakeTrouble | null = null;
  answer: FakeAnswer = { text: 'Hello.' };
  #stalled: ServerResponse | null = null;

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
    this.#stalled?.write(this.words().word(text));
  }

  protected abstract words(): StreamedWords;
  protected abstract isOurs(request: IncomingMessage): boolean;
  /** Null for what the service takes, else its status. */
  protected abstract judge(request: IncomingMessage, body: unknown): number | null;

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (!this.isOurs(request)) return refuse(response, 401);
    const asked: unknown = JSON.parse(body.toString('utf8'));
    const refused = this.judge(request, asked);
    this.requests.push(asked);
    this.changed();
    if (refused !== null) return refuse(response, refused);
    this.#answer(response);
  }

  #answer(response: ServerResponse): void {
    const { trouble, answer } = this;
    if (trouble === 'hang') return;
    if (trouble === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a proxy says hello</html>');
      return;
    }
    if (typeof trouble === 'object' && trouble !== null) {
      if ('status' in trouble) refuse(response, trouble.status, trouble.retryAfterSeconds);
      else response.writeHead(307, { location: trouble.redirectTo }).end();
      return;
    }
    const words = this.words();
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(': a comment, as gateways send to keep the connection\n\n');
    response.write(words.begin());
    for (const word of trouble === 'empty' ? [] : (answer.text?.match(/\S+\s*/g) ?? [])) {
      response.write(words.word(word));
    }
    switch (trouble) {
      case 'stall':
        this.#stalled = response;
        return;
      case 'cut':
        response.write('data: {"ty', () => response.destroy());
        return;
      case 'early-end':
        response.end();
        return;
      case 'malformed':
        response.end('data: {"type": "x", "y": [7}\n\n');
        return;
      case 'half-event':
        response.end('data: {"type": "x');
        return;
      case 'wrong-shape':
        response.end(words.wrongShape());
        return;
      case 'error-event':
        response.end(words.error());
        return;
    }
    const calls = trouble === 'empty' ? [] : (answer.toolCalls ?? []);
    calls.forEach((call, place) => {
      response.write(words.toolCall(call, place));
    });
    if (trouble === 'stall-at-end') {
      response.write(words.end(calls.length > 0));
      return;
    }
    response.end(words.end(calls.length > 0));
  }
}

/** @param name of the event; null for a dialect whose events have none */
export function sse(name: string | null, data: unknown): string {
  return `${name === null ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
}
