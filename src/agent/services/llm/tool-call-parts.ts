/** Puts streamed tool calls together from their pieces. Owns which call a piece belongs to; runs nothing. */
import { AntipodeError } from '../../../errors.ts';
import type { LlmEvent } from '../llm.ts';

export interface ToolCallPart {
  readonly index?: number | null;
  readonly id?: string | null;
  readonly function?: { readonly name?: string | null; readonly arguments?: string | null } | null;
}

interface PartialCall {
  callId: string;
  name: string;
  arguments: string;
}

/** Characters of a call's arguments that are taken from a model. */
const MAX_ARGUMENTS = 65_536;
/** Calls of one answer. */
const MAX_CALLS = 64;

export class ToolCallParts {
  readonly #label: string;
  readonly #indicesAreWrong: boolean;
  readonly #idPrefix: string;
  /** In the order in which they began. */
  readonly #calls: PartialCall[] = [];
  readonly #byIndex = new Map<number, PartialCall>();

  /** `idPrefix` begins the ids of calls that the server gave none. */
  constructor(options: { label: string; indicesAreWrong: boolean; idPrefix: string }) {
    this.#label = options.label;
    this.#idPrefix = options.idPrefix;
    this.#indicesAreWrong = options.indicesAreWrong;
  }

  /** @throws ERR_SERVICE_FAILED for too much, or for a piece that belongs to no call */
  add(part: ToolCallPart): void {
    const call = this.#indicesAreWrong ? this.#callOfIdentity(part) : this.#callOfIndex(part.index);
    call.callId ||= part.id ?? '';
    call.name ||= part.function?.name ?? '';
    call.arguments += part.function?.arguments ?? '';
    if (call.arguments.length > MAX_ARGUMENTS) throw this.#failed('wrote too long a tool call');
  }

  /** The calls, whole. A server that gives a call no id gets one, so that its result can be told. */
  whole(): LlmEvent[] {
    return this.#calls.map((call, index) => {
      if (call.name === '') throw this.#failed('called a tool without a name');
      return { type: 'tool-call', ...call, callId: call.callId || `${this.#idPrefix}_${index}` };
    });
  }

  #callOfIndex(index: number | null | undefined): PartialCall {
    if (index === null || index === undefined || index < 0) throw this.#failed('did not number its tool calls');
    let call = this.#byIndex.get(index);
    if (call === undefined) {
      call = this.#begin();
      this.#byIndex.set(index, call);
    }
    return call;
  }

  /**
   * A new id begins a call, and so does a name after a call's arguments have begun; anything else goes on with the
   * last one. Servers of this kind send one call after the other, never in turns.
   * Source: sgl-project/sglang issues 5661 and 6310.
   */
  #callOfIdentity(part: ToolCallPart): PartialCall {
    const last = this.#calls.at(-1);
    const newId = part.id && last?.callId && part.id !== last.callId;
    const newName = part.function?.name && last?.name && last.arguments !== '' && part.id !== last.callId;
    return last === undefined || newId || newName ? this.#begin() : last;
  }

  #begin(): PartialCall {
    if (this.#calls.length >= MAX_CALLS) throw this.#failed('called too many tools at once');
    const call = { callId: '', name: '', arguments: '' };
    this.#calls.push(call);
    return call;
  }

  #failed(what: string): AntipodeError {
    return new AntipodeError('ERR_SERVICE_FAILED', `${this.#label} ${what}.`);
  }
}
