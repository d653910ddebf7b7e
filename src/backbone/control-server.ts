/**
 * Where a core listens for POPs: TLS 1.3, a certificate of our CA with role `pop` asked of everyone, one WebSocket per
 * POP. Owns the listening socket and which connection is a node's present one; what is said on it is pop-connection.ts.
 */
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { Clock } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger, Registry } from '../telemetry/index.ts';
import { type BackboneMetrics, backboneMetrics } from './backbone-metrics.ts';
import type { CoreHandlers } from './control-handlers.ts';
import type { ControlLinkLimits } from './control-link.ts';
import type { RenewableIdentity } from './node-identity.ts';
import { peerIdentity } from './peer-identity.ts';
import { PopConnection } from './pop-connection.ts';
import { MAX_CONTROL_FRAME_BYTES } from './protocol.ts';

export interface ControlServerOptions {
  host: string;
  /** 0 takes a free one: see `port`. */
  port: number;
  identity: RenewableIdentity;
  region: string;
  clock: Clock;
  log: Logger;
  metrics: Registry;
  handlers: CoreHandlers;
  limits?: Partial<ControlLinkLimits>;
  /** Silence that makes a POP suspected; more where the path is slow. @defaultValue SUSPECT_AFTER_MS */
  suspectAfterMs?: number | undefined;
}

/** Connections at a time, those that have not shown a certificate yet included. */
const MAX_CONNECTIONS = 1_024;
const TLS_HANDSHAKE_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 5_000;
/** How long closing waits for the POPs' part of it. */
const CLOSE_TIMEOUT_MS = 500;
const REFUSAL_LOG_INTERVAL_MS = 1_000;

export class ControlServer {
  readonly port: number;
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #metrics: BackboneMetrics;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<PopConnection>();
  readonly #present = new Map<string, PopConnection>();
  readonly #unsubscribe: (() => void) | undefined;
  #refusalLoggedAtMs = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | null = null;

  private constructor(options: ControlServerOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.#metrics = backboneMetrics(options.metrics);
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_CONTROL_FRAME_BYTES,
      perMessageDeflate: false,
      autoPong: false,
      clientTracking: false,
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#unsubscribe = options.identity.onRenewed?.(() => this.#renew());
    server.on('tlsClientError', (error: Error) => this.#refused('tls', error.message));
    server.on('error', (error) => options.log.error({ err: error }, 'the control server failed'));
    server.on('upgrade', (request, socket, head) => {
      const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
      const peer = peerIdentity(certificate?.subjectAltName);
      if (peer?.role !== 'pop') {
        this.#refused('role', `certificate names ${certificate?.subjectAltName ?? 'nobody'}`);
        refuseUpgrade(socket, 'The certificate is not that of a POP.');
        return;
      }
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        this.#connections.add(
          new PopConnection({
            socket: webSocket,
            certifiedNodeId: peer.nodeId,
            nodeId: options.identity.nodeId,
            region: options.region,
            clock: options.clock,
            log: options.log,
            metrics: this.#metrics,
            handlers: options.handlers,
            limits: options.limits,
            suspectAfterMs: options.suspectAfterMs,
            onHello: (connection, how) => this.#onHello(connection, how),
            onClosed: (connection) => this.#onClosed(connection),
          }),
        );
      });
    });
  }

  /** @throws ERR_PORT_IN_USE naming the port, ERR_CONFIG_INVALID when host, port or certificate can't be used */
  static listen(options: ControlServerOptions): Promise<ControlServer> {
    const { host, port, identity } = options;
    return new Promise((resolve, reject) => {
      const server = createServer(
        {
          ...certificateOf(identity),
          requestCert: true,
          rejectUnauthorized: true,
          handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
          requestTimeout: REQUEST_TIMEOUT_MS,
          headersTimeout: REQUEST_TIMEOUT_MS,
          connectionsCheckingInterval: 1_000,
        },
        (_request, response) => {
          response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end();
        },
      );
      server.maxConnections = MAX_CONNECTIONS;
      server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        reject(
          new AntipodeError(
            taken ? 'ERR_PORT_IN_USE' : 'ERR_CONFIG_INVALID',
            taken
              ? `Control port ${host}:${port} is in use by another process.`
              : `Cannot listen for POPs on ${host}:${port}: ${error.message}`,
            { cause: error },
          ),
        );
      });
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        resolve(new ControlServer(options, server));
      });
    });
  }

  /** POPs that said hello and are connected. */
  get peerCount(): number {
    return this.#present.size;
  }

  /** Ends every connection with the reason, then the listening. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** For handshakes from now on; whoever is connected stays. */
  #renew(): void {
    this.#server.setSecureContext(certificateOf(this.#options.identity));
    this.#options.log.info('the control port shows the new certificate');
  }

  async #close(): Promise<void> {
    this.#unsubscribe?.();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.end('shutdown');
    const timer = this.#options.clock.setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_TIMEOUT_MS);
    await closed;
    timer.cancel();
    this.#webSockets.close();
  }

  /** The earlier connection that goes on over the new one's link, if any. */
  #onHello(connection: PopConnection, { continues }: { continues: boolean }): PopConnection | null {
    const earlier = this.#present.get(connection.nodeId);
    if (earlier && continues) {
      this.#connections.delete(connection);
      return earlier;
    }
    this.#present.set(connection.nodeId, connection);
    if (earlier) {
      this.#options.log.warn({ pop: connection.nodeId }, 'a POP connected anew; its earlier connection ends');
      earlier.end('replaced');
    }
    return null;
  }

  #onClosed(connection: PopConnection): void {
    this.#connections.delete(connection);
    if (this.#present.get(connection.nodeId) === connection) this.#present.delete(connection.nodeId);
  }

  /** Each is counted; a stranger who knocks without end doesn't get to fill the log. */
  #refused(reason: string, detail: string): void {
    this.#metrics.refusals.inc({ side: 'core', reason });
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#refusalLoggedAtMs < REFUSAL_LOG_INTERVAL_MS) return;
    this.#refusalLoggedAtMs = nowMs;
    this.#options.log.warn({ reason, detail }, 'refused a connection to the control port');
  }
}

function refuseUpgrade(socket: Duplex, words: string): void {
  socket.on('error', () => socket.destroy());
  const body = `${words}\n`;
  socket.end(
    `HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function certificateOf({ caPem, certPem, keyPem }: RenewableIdentity) {
  return { ca: caPem, cert: certPem, key: keyPem, minVersion: 'TLSv1.3' } as const;
}
