/**
 * A language model that answers by a script, request by request, for tests of what is made of its answers. It keeps what
 * it was asked. It looks at its signal between two parts; a wait goes on regardless, as that of a hung service.
 */
import type { Llm, LlmEvent, LlmRequest } from '../../src/agent/index.ts';

/** Words, calls, a failure, a wait: what comes of one request, in order. */
export type ScriptedPart =
  | string
  | { readonly call: string; readonly with?: unknown; readonly id?: string }
  | { readonly fails: unknown }
  | { readonly waits: Promise<unknown> };

export class ScriptedLlm implements Llm {
  readonly name = 'scripted';
  readonly requests: LlmRequest[] = [];
  /** Requests that were given up before their end. */
  abandoned = 0;
  readonly #answer: (request: LlmRequest, number: number) => readonly ScriptedPart[];

  /** @param answer the parts of the answer to a request, or those of each request in turn; the last one repeats */
  constructor(answer: ((request: LlmRequest, number: number) => readonly ScriptedPart[]) | readonly ScriptedPart[][]) {
    this.#answer =
      typeof answer === 'function' ? answer : (_request, number) => answer.at(number) ?? answer.at(-1) ?? [];
  }

  async *respond(request: LlmRequest): AsyncIterable<LlmEvent> {
    const number = this.requests.length;
    this.requests.push(request);
    let whole = false;
    try {
      for (const [index, part] of this.#answer(request, number).entries()) {
        if (request.signal.aborted) throw request.signal.reason;
        if (typeof part === 'string') yield { type: 'text', text: part };
        else if ('fails' in part) throw part.fails;
        else if ('waits' in part) await part.waits;
        else yield this.#call(part, `${number}-${index}`);
      }
      if (request.signal.aborted) throw request.signal.reason;
      whole = true;
    } finally {
      if (!whole) this.abandoned++;
    }
  }

  #call({ call, with: input = {}, id }: Extract<ScriptedPart, { call: string }>, given: string): LlmEvent {
    const written = typeof input === 'string' ? input : JSON.stringify(input);
    return { type: 'tool-call', callId: id ?? `call-${given}`, name: call, arguments: written };
  }
}
