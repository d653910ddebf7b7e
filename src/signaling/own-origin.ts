/**
 * Which Host and which Origin are this POP's own. A page anywhere on the web can make a visitor's browser send
 * requests to a server on the visitor's machine, directly or by a name that it re-binds to 127.0.0.1; what needs no
 * API key must therefore come from our own page or from no page at all. An IP literal can't be re-bound, so it passes
 * as Host. Also builds the signaling URL that fits the name that a caller used.
 */
import { isIP } from 'node:net';

export interface OwnOriginOptions {
  /** Host name or address that we listen on. */
  host: string;
  /** Base URL that callers use when it is another one, or null. */
  publicUrl: string | null;
}

/** The headers that tell which page, if any, made a request. */
export interface PageHeaders {
  host?: string | undefined;
  origin?: string | undefined;
  'sec-fetch-site'?: string | string[] | undefined;
}

export class OwnOrigin {
  readonly #names: ReadonlySet<string>;
  readonly #publicUrl: URL | null;

  constructor(options: OwnOriginOptions) {
    this.#publicUrl = options.publicUrl === null ? null : new URL(options.publicUrl);
    const names = ['localhost', options.host.toLowerCase()];
    if (this.#publicUrl) names.push(this.#publicUrl.hostname);
    this.#names = new Set(names);
  }

  /** Whether a Host header names us and nobody else. */
  ownsHost(host: string | undefined): boolean {
    const name = hostName(host);
    return name !== null && (this.#names.has(name) || isIP(name) !== 0);
  }

  /** Why a request without an API key is refused, or null when it comes from our own page or from none. */
  foreign(headers: PageHeaders): string | null {
    if (!this.ownsHost(headers.host)) {
      return 'The Host of this request is not a name of this server. Set http.publicUrl to the URL that callers use.';
    }
    const site = headers['sec-fetch-site'];
    if (site === 'cross-site' || site === 'same-site') return 'Pages of other sites need an API key.';
    if (headers.origin === undefined) return null;
    const origin = headers.origin.toLowerCase();
    if (this.#publicUrl && origin === this.#publicUrl.origin) return null;
    const host = headers.host?.toLowerCase();
    if (origin === `http://${host}` || origin === `https://${host}`) return null;
    return 'Pages of other origins need an API key.';
  }

  /** Where this POP's signaling is for a caller who used this Host: `ws://localhost:8080/v1/signaling`. */
  signalingUrl(host: string | undefined, secure: boolean, fallback: string): string {
    const base = this.#publicUrl ?? new URL(this.ownsHost(host) ? `${secure ? 'https' : 'http'}://${host}` : fallback);
    const scheme = base.protocol === 'https:' ? 'wss' : 'ws';
    return `${scheme}://${base.host}${base.pathname.replace(/\/+$/, '')}/v1/signaling`;
  }
}

/** The name in a Host header, lower case and without port or brackets; null when it is no such header. */
function hostName(host: string | undefined): string | null {
  if (host === undefined || host.length > 255) return null;
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(host);
  return match?.[1]?.toLowerCase().replace(/^\[|\]$/g, '') ?? null;
}
