/**
 * One HTTP server of a node: its limits on slow and malformed requests, how it is closed, and the name by which it is
 * reached on this machine. Owns no routes and no listening socket.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AntipodeError } from '../errors.ts';
import { httpRefusal } from './upgrade.ts';

/** A client must have sent its headers by then, and its whole request by REQUEST_TIMEOUT_MS. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const MAX_HEADER_BYTES = 16_384;

/** @param onRefused told the code of a request that could not be read */
export function httpServer(app: RequestListener, onRefused: (code: string) => void): Server {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
    app,
  );
  server.on('clientError', (error: NodeJS.ErrnoException, stream: Duplex) => {
    if (error.code === 'ECONNRESET' || !stream.writable) {
      stream.destroy();
      return;
    }
    const refusal = new AntipodeError('ERR_REQUEST_MALFORMED', 'This is not an HTTP request that can be read.');
    onRefused(refusal.code);
    stream.end(httpRefusal(refusal, httpStatusOf(error)), () => stream.destroy());
  });
  return server;
}

function httpStatusOf(error: NodeJS.ErrnoException): number {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 431;
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  return 400;
}

/** Takes no new connections; resolves when the last one has ended. */
export function stopServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeIdleConnections();
  });
}

/** The host part of our URL: a name or address that a caller on this machine can use. */
export function nameFor(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
