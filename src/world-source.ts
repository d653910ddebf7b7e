/** Asks a running server, an edge or a placement service, for its world. Owns the request and the words when it fails. */
import { AntipodeError } from './errors.ts';
import { readWorldDocument, type WorldDocument } from './placement/index.ts';

export interface WorldSource {
  /** @defaultValue http://localhost:8080 */
  url?: string;
  /** API key; needed from another machine. @defaultValue the first of ANTIPODE_API_KEYS */
  key?: string;
}

const TIMEOUT_MS = 10_000;

/**
 * @throws ERR_REQUEST_MALFORMED for what is no URL, ERR_SERVICE_UNAVAILABLE when nobody answers, ERR_SERVICE_FAILED with
 * the answer when it is another one, ERR_CONFIG_INVALID for a world that can't be read
 */
export async function fetchWorld(source: WorldSource): Promise<WorldDocument> {
  const base = source.url ?? 'http://localhost:8080';
  if (!URL.canParse(base)) throw new AntipodeError('ERR_REQUEST_MALFORMED', '--url must be a URL.', { path: 'url' });
  const key = source.key ?? process.env.ANTIPODE_API_KEYS?.split(',')[0]?.trim();
  const url = new URL('/v1/world', base);
  let response: Response;
  try {
    response = await fetch(url, {
      headers: key ? { authorization: `Bearer ${key}` } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    const words = `No server answers at ${url.origin}. Start one, or name it by --url.`;
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', words, { cause });
  }
  const text = await response.text();
  if (response.ok) return readWorldDocument(text, url.href);
  throw new AntipodeError('ERR_SERVICE_FAILED', `${url.href} answers ${response.status}: ${text.slice(0, 300)}`);
}
