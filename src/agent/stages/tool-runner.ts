/**
 * Runs the tools that a model calls: validated arguments in, words for the model out, within a time, and each call in
 * the context from its beginning. A failure of any kind is an answer too, which the model can put in words. Calls of
 * one round run side by side. Owns which of them end with their turn; asks no model.
 */
import type { Conversation, RecordedToolCall, WrittenToolCall } from '../conversation.ts';
import type { ToolOutcome } from '../observe/index.ts';
import type { LlmEvent, Tool } from '../services/llm.ts';
import type { Turn, TurnAbortReason } from '../turn.ts';
import type { AgentCall } from '../types.ts';
import { type SayFiller, ToolFiller } from './tool-filler.ts';
import { runInTime } from './tool-run.ts';

export type ToolCall = Extract<LlmEvent, { type: 'tool-call' }>;

export interface ToolRunnerOptions {
  call: Pick<AgentCall, 'clock' | 'journal' | 'log' | 'observe'>;
  tools: readonly Tool[];
  conversation: Conversation;
}

/** The reply of a turn, as far as tools have a say in it. */
export interface ToolReply {
  /** End the call once the reply has been played. */
  hangUp(reason: string): void;
  /** Say a sentence while a tool runs long; absent where nobody can. */
  filler?: SayFiller;
}

/** How a call ended, and what the model is told. */
interface Ended {
  readonly outcome: ToolOutcome;
  readonly result: string;
}

/** Longest answer that a model is given, characters. */
const MAX_RESULT_LENGTH = 16_000;
const MAX_CALLS_AT_ONCE = 16;

export class ToolRunner {
  readonly #options: ToolRunnerOptions;
  readonly #filler: ToolFiller;

  constructor(options: ToolRunnerOptions) {
    this.#options = options;
    this.#filler = new ToolFiller({ clock: options.call.clock });
  }

  /**
   * All calls of one round, side by side. More than a round may have are not run, and the model is told so.
   * Resolves when all have ended, or the turn is aborted.
   */
  async runAll(calls: readonly ToolCall[], turn: Turn, reply: ToolReply): Promise<void> {
    const running = calls.slice(0, MAX_CALLS_AT_ONCE).map((toolCall) => this.run(toolCall, turn, reply));
    const first = calls[MAX_CALLS_AT_ONCE];
    if (first !== undefined) {
      const left = calls.length - MAX_CALLS_AT_ONCE;
      this.#refuse(first, turn, 'failed', `too many calls at once: the last ${left} were not run`);
    }
    await Promise.all(running);
  }

  /** The agent said something else for this turn just now. */
  spoke(turn: Turn): void {
    this.#filler.spoke(turn);
  }

  /**
   * Run one call of the model for a turn. The context gets it when it begins, in the order of these calls, and its
   * answer when it has ended; what a tool that is kept on an interruption answers later comes there too.
   * A tool that changes something waits until the turn is certain, and until the journal of the call is kept elsewhere:
   * should this core be lost, nobody runs the tool again.
   * @returns what the model is told; as soon as the turn is aborted. Never rejects.
   */
  async run(toolCall: ToolCall, turn: Turn, reply: ToolReply): Promise<string> {
    const { tools } = this.#options;
    const tool = tools.find(({ name }) => name === toolCall.name);
    if (tool === undefined) {
      return this.#refuse(toolCall, turn, 'unknown-tool', `there is no tool "${toolCall.name.slice(0, 64)}"`);
    }
    const input = parse(tool, toolCall.arguments);
    if ('wrong' in input) return this.#refuse(toolCall, turn, 'invalid-arguments', input.wrong);
    if (!turn.certain && !tool.idempotent) await turn.whenCertain();
    if (turn.signal.aborted) return failed('the caller went on before it began').result;
    return this.#begin(tool, input.value, toolCall, turn, reply);
  }

  #refuse(toolCall: ToolCall, turn: Turn, outcome: ToolOutcome, why: string): string {
    const { call, conversation } = this.#options;
    const { number } = turn;
    const { callId, name } = toolCall;
    const startedAtMs = call.clock.now();
    call.log.warn({ tool: name, turn: number, outcome, why }, 'a tool call could not be run');
    call.observe({ type: 'tool-started', turn: number, callId, name, atMs: startedAtMs });
    call.observe({ type: 'tool-ended', turn: number, callId, name, startedAtMs, atMs: startedAtMs, outcome });
    const entry = conversation.toolCalled(turn, recordable(toolCall));
    const { result } = failed(why);
    entry.answer(result);
    forgetUnheard(entry, turn);
    return result;
  }

  async #begin(tool: Tool, input: unknown, toolCall: ToolCall, turn: Turn, reply: ToolReply): Promise<string> {
    const { call, conversation } = this.#options;
    const { callId, name } = toolCall;
    const startedAtMs = call.clock.now();
    const entry = conversation.toolCalled(turn, recordable(toolCall));
    call.observe({ type: 'tool-started', turn: turn.number, callId, name, atMs: startedAtMs });
    const stopFiller = reply.filler ? this.#filler.while(tool, turn, reply.filler) : () => {};
    const ending = this.#runOnce(tool, input, turn, reply).then(({ outcome, result }) => {
      stopFiller();
      const atMs = call.clock.now();
      call.observe({ type: 'tool-ended', turn: turn.number, callId, name, startedAtMs, atMs, outcome });
      entry.answer(result);
      if (tool.idempotent) forgetUnheard(entry, turn);
      return result;
    });
    if (!tool.keepOnInterruption) return ending;
    return Promise.race([ending, whenAborted(turn).then(() => failed('it still runs').result)]);
  }

  /** Not before those who would go on with the call know that it begins. */
  async #runOnce(tool: Tool, input: unknown, turn: Turn, reply: ToolReply): Promise<Ended> {
    const { journal } = this.#options.call;
    if (!tool.idempotent && journal?.kept) {
      const kept = journal.kept().then(
        () => true,
        () => false,
      );
      const mayRun = await Promise.race([kept, whenAborted(turn).then(() => false)]);
      if (!mayRun || turn.signal.aborted) return failed('the caller went on before it began', 'cancelled');
    }
    return this.#end(tool, input, turn, reply);
  }

  async #end(tool: Tool, input: unknown, turn: Turn, reply: ToolReply): Promise<Ended> {
    const { call } = this.#options;
    const ended = await runInTime({
      tool,
      input,
      clock: call.clock,
      signal: tool.keepOnInterruption ? null : turn.signal,
      hangUp: (reason) => reply.hangUp(reason),
      onLate: (late) => call.log.warn({ tool: tool.name, turn: turn.number, ...late }, 'a tool ended late: dropped'),
    });
    switch (ended.outcome) {
      case 'ok':
        return { outcome: 'ok', result: bounded(ended.result) };
      case 'timed-out':
        call.log.warn({ tool: tool.name, turn: turn.number, timeoutMs: ended.timeoutMs }, 'a tool took too long');
        return failed('it took too long', 'timed-out');
      case 'cancelled':
        return failed('the caller interrupted before it was done', 'cancelled');
      case 'failed':
        call.log.warn({ err: ended.error, tool: tool.name, turn: turn.number }, 'a tool failed');
        return failed('it failed');
    }
  }
}

/** What changed nothing, for a turn of which nobody heard, is no part of the conversation. */
function forgetUnheard(entry: RecordedToolCall, turn: Turn): void {
  turn.onSettled(() => {
    const reason: TurnAbortReason | undefined = turn.signal.reason;
    if (reason === 'continued' || reason === 'rejected') entry.withdraw();
  });
}

function parse(tool: Tool, written: string): { value: unknown } | { wrong: string } {
  let json: unknown;
  try {
    json = JSON.parse(written === '' ? '{}' : written);
  } catch {
    return { wrong: 'the arguments are not JSON' };
  }
  const read = tool.parameters.safeParse(json);
  if (read.success) return { value: read.data };
  const issues = read.error.issues.slice(0, 10);
  return { wrong: issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
}

/**
 * A call as it can be sent back to any service later: some refuse the whole conversation for ever when an old call in
 * it has a name that no tool can have, or arguments that are no JSON object.
 */
function recordable({ callId, name, arguments: written }: ToolCall): WrittenToolCall {
  return {
    callId,
    name: name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64) || 'unknown',
    arguments: isJsonObject(written) ? written : '{}',
  };
}

function isJsonObject(written: string): boolean {
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function whenAborted({ signal }: Turn): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function bounded(result: string): string {
  return result.length > MAX_RESULT_LENGTH ? `${result.slice(0, MAX_RESULT_LENGTH)} [cut]` : result;
}

function failed(reason: string, outcome: ToolOutcome = 'failed'): Ended {
  return { outcome, result: JSON.stringify({ error: reason }) };
}
