/**
 * The words between a text-to-speech WebSocket and a vendor's protocol: what a dialect writes and reads, what a refusal
 * means, how a long text is cut. Owns no socket and no vendor.
 */
import { AntipodeError } from '../../../errors.ts';

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

/**
 * What a service's refusal with an HTTP-like status means to us. `detail` is the service's own words; they are cut, and
 * the key is taken out of them should it be quoted.
 */
export function refusal(service: string, status: number, words = ''): AntipodeError {
  const says = words === '' ? '' : ` It says: ${words}`;
  switch (status) {
    case 401:
    case 403:
      return new AntipodeError('ERR_SERVICE_FAILED', `${service} refused our key (${status}).${says}`);
    case 402:
    case 429:
      return new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${service} limits our rate or quota (${status}).${says}`);
    default:
      return new AntipodeError('ERR_SERVICE_FAILED', `${service} failed (${status}).${says}`);
  }
}

/** What a service says of a failure, as it may be shown: short, and without our key should it be quoted. */
export function quotable(words: string, apiKey: string): string {
  return words.replaceAll(apiKey, '[secret]').slice(0, 300).trim();
}

/** `text` in pieces of some hundred characters, cut after spaces where there are any; joined they are the text. */
export function piecesOf(text: string, maxCharacters = 1_000): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (rest.length > maxCharacters) {
    const space = rest.lastIndexOf(' ', maxCharacters - 1);
    // Without a space, at least not inside of a surrogate pair.
    const end = space > 0 ? space + 1 : maxCharacters - (/[\uD800-\uDBFF]/.test(rest[maxCharacters - 1]!) ? 1 : 0);
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end);
  }
  pieces.push(rest);
  return pieces;
}
