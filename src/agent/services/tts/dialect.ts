/**
 * The words between a text-to-speech WebSocket and a vendor's protocol: what a dialect writes and reads. Owns no socket
 * and no vendor.
 */
import type { AntipodeError } from '../../../errors.ts';

/** What a service said of one of its contexts, or of the whole connection (`broken`). */
export type ServiceMessage<Timing> =
  | { readonly type: 'audio'; readonly contextId: string; readonly base64: string; readonly timing: Timing | null }
  | { readonly type: 'ended'; readonly contextId: string }
  | { readonly type: 'failed'; readonly contextId: string; readonly error: AntipodeError }
  | { readonly type: 'broken'; readonly error: AntipodeError };

/** A failure that the service ascribes to a context, or to none. */
export function failedMessage(contextId: string | null | undefined, error: AntipodeError): ServiceMessage<never> {
  return contextId == null ? { type: 'broken', error } : { type: 'failed', contextId, error };
}

/** A vendor's protocol. Holds no state of a sentence. */
export interface SpeechDialect<Timing> {
  /** The vendor, for people. */
  readonly service: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Contexts that a connection may have at once. */
  readonly maxContexts: number;
  /** Whether a canceled context counts until the service says that it has ended. */
  readonly cancelsSlowly: boolean;
  /** Hz of the mono 16-bit little-endian PCM that is asked for. */
  readonly sampleRate: number;
  /** Messages that have the text spoken, to its end. */
  begin(contextId: string, text: string): readonly unknown[];
  cancel(contextId: string): unknown;
  /** @throws anything, when the message has not the documented shape */
  read(message: unknown): readonly ServiceMessage<Timing>[];
}
