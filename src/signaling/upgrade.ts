/** Turns HTTP upgrades into signaling sockets, or refuses them with an HTTP answer that carries a code. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { AntipodeError } from '../errors.ts';
import type { ClientAddresses } from './client-address.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';
import type { SocketHub } from './socket-hub.ts';

export const SIGNALING_PATH = '/v1/signaling';
/** A frame this many times longer than maxMessageBytes is not even read: the connection closes with 1009. */
const HARD_LIMIT_FACTOR = 4;

export interface UpgradeOptions {
  hub: SocketHub;
  addresses: ClientAddresses;
  metrics: SignalingMetrics;
  maxMessageBytes: number;
  isShuttingDown(): boolean;
}

export function upgradeHandler(options: UpgradeOptions) {
  const { hub, addresses, metrics } = options;
  const acceptor = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes * HARD_LIMIT_FACTOR,
    maxFragments: 64,
  });
  return (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    // Until ws takes the stream over, nobody else listens for its errors, and a reset must not end the process.
    const onError = () => stream.destroy();
    stream.on('error', onError);
    try {
      const key = addresses.of(request).key;
      if (request.url?.split('?', 1)[0] !== SIGNALING_PATH) {
        throw new AntipodeError('ERR_NOT_FOUND', `WebSockets are at ${SIGNALING_PATH}.`);
      }
      if (options.isShuttingDown()) throw new AntipodeError('ERR_SHUTTING_DOWN', 'This POP is shutting down.');
      hub.admit(key);
      acceptor.handleUpgrade(request, stream, head, (ws) => {
        stream.off('error', onError);
        hub.add(ws, key);
      });
    } catch (error) {
      if (!(error instanceof AntipodeError)) throw error;
      metrics.socketError(error.code);
      stream.end(httpRefusal(error), () => stream.destroy());
    }
  };
}

/** A whole HTTP/1.1 answer that refuses and closes. */
export function httpRefusal(error: AntipodeError, status = error.status): string {
  const body = JSON.stringify({ error: error.toWire() });
  const retry = status === 503 || status === 429 ? 'Retry-After: 5\r\n' : '';
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\n${retry}` +
    `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
