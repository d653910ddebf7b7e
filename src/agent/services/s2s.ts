/**
 * Speech to speech as a pipeline sees it: one interface for services that hear the caller and speak the answer
 * themselves. A session is one conversation; it survives its connection. Who decides that the caller's turn is over is
 * chosen at its opening. What was heard of an answer only the mouth knows, and tells it with `interrupt`.
 */
import type { AntipodeError } from '../../errors.ts';
import type { ConversationEntry } from '../conversation.ts';
import type { ServiceUsage, ServiceWatch } from '../observe/observation.ts';
import type { Tool } from './llm.ts';

/**
 * Who detects turns. `ours`: the session is given only what belongs to a turn, and `endTurn` asks for the answer.
 * `service`: the session is given all of the caller and says when a turn begins and ends; it answers by itself.
 */
export type S2sTurns = 'ours' | 'service';

export interface S2sOpenOptions {
  /** Who the agent is and how it speaks. */
  readonly instructions: string;
  /** By the service's name for it; null for the service's own choice. @defaultValue null */
  readonly voice?: string | null;
  readonly tools: readonly Tool[];
  /** What was said before this session, oldest first. */
  readonly history: readonly ConversationEntry[];
  /** @defaultValue 'ours' */
  readonly turns?: S2sTurns;
  /** Aborting it closes the session. */
  readonly signal: AbortSignal;
  readonly handlers: S2sHandlers;
  /** Told of each answer that the service made, once it is over. */
  readonly watch?: ServiceWatch;
}

export interface S2sHandlers {
  onEvent(event: S2sEvent): void;
  /**
   * ERR_SERVICE_UNAVAILABLE | ERR_SERVICE_FAILED | ERR_SERVICE_TIMEOUT: the service is lost for good, the session
   * closed. Called at most once.
   */
  onError(error: AntipodeError): void;
}

/**
 * What a session says. A caller's utterance has a number, counted from 0: `endTurn` answers with it, or `callerStarted`
 * tells it. An answer is one `replyStarted`, any of `replyText`, `audio` and `toolCall`, and one `replyEnded`; what the
 * service says once it has the results of its tools belongs to the same answer. Of an answer that was interrupted
 * nothing more comes, not even its end.
 */
export type S2sEvent =
  /** The service's own turn detection heard the caller begin. */
  | { readonly type: 'callerStarted'; readonly utterance: number }
  | { readonly type: 'callerStopped'; readonly utterance: number }
  /** All that was understood of an utterance so far; final once, with an empty text when nothing was understood. */
  | {
      readonly type: 'callerTranscript';
      readonly utterance: number;
      readonly text: string;
      readonly final: boolean;
    }
  | { readonly type: 'replyStarted' }
  /** More words of the answer; they may come before or after their sound. */
  | { readonly type: 'replyText'; readonly text: string }
  /** More sound of it: mono, full scale +-32768, at `sampleRate` Hz. Comes faster than it is played. */
  | { readonly type: 'audio'; readonly pcm: Int16Array; readonly sampleRate: number }
  /** `toolResult` is owed for it. */
  | { readonly type: 'toolCall'; readonly callId: string; readonly name: string; readonly arguments: string }
  /** With an error the answer is incomplete or missing; the session goes on. */
  | { readonly type: 'replyEnded'; readonly error: AntipodeError | null }
  /** What one request counted; the watch is told the same with its run. */
  | { readonly type: 'usage'; readonly usage: ServiceUsage }
  /** The connection is gone; what is given to the session meanwhile is kept. */
  | { readonly type: 'reconnecting'; readonly error: AntipodeError }
  /** It is back, with all that was said. An answer that was cut off goes on. */
  | { readonly type: 'reconnected'; readonly tookMs: number };

/** What a caller was played of an answer before it was cut off. */
export interface S2sHeard {
  /** Milliseconds of the service's sound. */
  readonly playedMs: number;
  /** The words in them. */
  readonly words: string;
}

export interface S2sSession {
  /** More of the caller: mono, 16 kHz, full scale +-32768. The buffer is not kept. */
  audio(pcm: Int16Array): void;
  /** `ours`: the caller's turn is over, answer it. Gives the number of the utterance. */
  endTurn(): number;
  /** `ours`: what the caller said since the last answer was no turn; forget it, and any answer to it. */
  discard(): void;
  /** The caller typed this; answer it. */
  text(words: string): void;
  /** Speak without being spoken to, by these instructions for this one answer, or by the session's own. */
  respond(instructions?: string): void;
  /** The answer was cut off there: stop making it, and know no more of it than the caller heard. */
  interrupt(heard: S2sHeard): void;
  /**
   * What a tool answered. When all calls of an answer have theirs, the answer goes on; after an interruption the result
   * is only remembered.
   */
  toolResult(callId: string, result: string): void;
  /** From the next answer on. */
  update(change: { instructions?: string; tools?: readonly Tool[] }): void;
  /** Idempotent; nothing is said after it. */
  close(): void;
}

export interface S2s {
  /** Name in metrics and the catalogue, such as `openai`. */
  readonly name: string;
  /**
   * Begin a conversation. It connects at once, and takes what it is given before it is connected.
   * @throws when the parameters of a tool cannot be put in a JSON Schema
   */
  open(options: S2sOpenOptions): S2sSession;
}
