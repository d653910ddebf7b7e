/**
 * One language model out of several: the first answers, or the faster of two where requests are hedged, and when it fails
 * the next goes on where it stopped. Tool calls are never asked for twice: once one was handed on, a failure is a failure.
 */
import type { Llm, LlmEvent, LlmRequest } from '../llm.ts';
import { ServiceLine, type ServiceLineOptions } from './service-line.ts';

export interface ResilientLlmOptions extends Omit<ServiceLineOptions<Llm>, 'kind'> {
  /** Another model is asked as well when the first word has not come after so long; 0: both at once. @defaultValue null */
  hedgeAfterMs?: number | null;
}

export class ResilientLlm implements Llm {
  readonly #line: ServiceLine<Llm>;
  readonly #hedgeAfterMs: number | null;

  constructor({ hedgeAfterMs = null, ...options }: ResilientLlmOptions) {
    this.#line = new ServiceLine({ kind: 'llm', ...options });
    this.#hedgeAfterMs = hedgeAfterMs;
  }

  get name(): string {
    return this.#line.label;
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const { signal, watch } = request;
    /** What of this request was handed on. */
    let words = '';
    let called = false;
    /** What the service that takes over says first may need a space before it. */
    let mustJoin = false;
    const answer = this.#line.stream<LlmEvent>({
      signal,
      watch,
      hedgeAfterMs: this.#hedgeAfterMs,
      open: (llm, own) => {
        mustJoin = /\S$/.test(words);
        return llm.respond({ ...continued(request, words), signal: own });
      },
      afterFailure: () => (called ? 'lost' : 'go-on'),
    });
    for await (const event of answer) {
      if (event.type === 'tool-call') called = true;
      if (event.type !== 'text' || event.text === '') {
        yield event;
        continue;
      }
      // Pieces of an answer bring their own spaces, but this is the first piece of another one.
      const text = mustJoin && /^[\p{L}\p{N}]/u.test(event.text) ? ` ${event.text}` : event.text;
      mustJoin = false;
      words += text;
      yield { type: 'text', text };
    }
  }
}

/** The request for what is still to be said after `words`. */
function continued(request: LlmRequest, words: string): LlmRequest {
  if (words === '') return request;
  const instructions =
    `${request.instructions}\n\nYour answer to the caller's last words was cut off after: ${JSON.stringify(words)}. ` +
    'The caller has heard that. Go on from there with the next word; repeat nothing of it and do not begin anew.';
  return { ...request, instructions, said: request.said + words };
}
