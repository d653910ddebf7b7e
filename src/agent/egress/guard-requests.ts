/**
 * The hooks in what is asked over connections that are kept: HTTP/1 requests, HTTP/2 requests, and the built-in fetch
 * with its redirects. Each is asked for by its own session, whoever had opened the connection.
 */
import diagnostics from 'node:diagnostics_channel';
import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import { asAntipodeError } from '../../errors.ts';
import { currentEgress } from './egress-context.ts';

/** Redirects that a fetch follows, as browsers do. */
const MAX_REDIRECTS = 20;

/** HTTP/1 requests, which may go out over a connection that another session had opened. */
export function guardRequests(): () => void {
  const onRequest = (message: unknown): void => {
    const egress = currentEgress();
    if (egress === null) return;
    const { request } = message as { request: { host?: string; socketPath?: string; destroy(error: Error): void } };
    try {
      if (!request.socketPath) egress.check(request.host || 'localhost', null, 'http');
    } catch (error) {
      request.destroy(asAntipodeError(error, 'ERR_INTERNAL', 'A request was stopped.'));
    }
  };
  diagnostics.subscribe('http.client.request.created', onRequest);
  return () => void diagnostics.unsubscribe('http.client.request.created', onRequest);
}

/** HTTP/2 writes to its connection natively: each request of a connection is asked for. */
export function guardHttp2(): () => void {
  const { connect } = http2;
  http2.connect = function guardedConnect(this: unknown, ...args: Parameters<typeof connect>) {
    const session: http2.ClientHttp2Session = Reflect.apply(connect, this, args);
    const host = hostOf(args[0]);
    const { request } = session;
    session.request = function guardedRequest(this: unknown, ...rest: Parameters<typeof request>) {
      currentEgress()?.check(host, null, 'http');
      return Reflect.apply(request, session, rest);
    };
    return session;
  } as typeof connect;
  syncBuiltinESMExports();
  return () => {
    http2.connect = connect;
    syncBuiltinESMExports();
  };
}

function hostOf(authority: string | URL): string {
  const { hostname, host } = typeof authority === 'string' ? new URL(authority) : authority;
  return hostname || host || 'localhost';
}

/** The built-in fetch has connections of its own that it keeps: each address is asked for, redirects too. */
export function guardFetch(): () => void {
  const original = globalThis.fetch;
  const guarded: typeof fetch = async (input, init) => {
    const egress = currentEgress();
    if (egress === null) return original(input, init);
    const asked = URL.parse(input instanceof Request ? input.url : String(input));
    // What is in the URL itself, and what is none, which fetch refuses.
    if (asked === null || asked.hostname === '') return original(input, init);
    if (!egress.isPinned) {
      egress.check(asked.hostname, null, 'fetch');
      return original(input, init);
    }
    let request = new Request(input, init);
    const follows = request.redirect === 'follow';
    for (let redirects = 0; ; redirects++) {
      const { hostname, port } = new URL(request.url);
      egress.check(hostname, port === '' ? null : Number(port), 'fetch');
      if (!follows) return original(request);
      const replay = request.body === null ? null : request.clone();
      const response = await original(new Request(request, { redirect: 'manual' }));
      const location = response.headers.get('location');
      if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return response;
      await response.body?.cancel();
      if (redirects === MAX_REDIRECTS) throw new TypeError('fetch failed: redirected too often');
      request = redirected(replay ?? request, new URL(location, request.url), response.status);
    }
  };
  globalThis.fetch = guarded;
  return () => {
    globalThis.fetch = original;
  };
}

/** The next request, as the Fetch Standard makes it: without a body after a 303, without secrets to another origin. */
function redirected(from: Request, to: URL, status: number): Request {
  const becomesGet = status === 303 || (status !== 307 && status !== 308 && from.method === 'POST');
  const headers = new Headers(from.headers);
  if (new URL(from.url).origin !== to.origin) {
    for (const name of ['authorization', 'proxy-authorization', 'cookie']) headers.delete(name);
  }
  if (becomesGet) for (const name of ['content-type', 'content-length']) headers.delete(name);
  const method = becomesGet && from.method !== 'HEAD' ? 'GET' : from.method;
  const body = becomesGet ? null : from.body;
  return new Request(to, { method, headers, body, signal: from.signal, ...(body && { duplex: 'half' }) });
}
