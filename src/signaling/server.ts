/**
 * The door of a POP: one HTTP port with REST, the page and the signaling WebSocket. Wires the parts of this folder
 * together and stops them in order; what each does is in its own file.
 */
import type { SessionEnd } from '../agent/client-events.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { type AiEndpoint, CallerPlaces, PlacementService, type Policy, type PolicySource } from '../placement/index.ts';
import type { NodeStores, Registry } from '../registry/index.ts';
import type { Logger, Registry as Metrics } from '../telemetry/index.ts';
import type { MediaEdge } from './call-port.ts';
import { type SentAway, sendCallersAway } from './callers-away.ts';
import { ClientAddresses } from './client-address.ts';
import { httpServer, nameFor, stopServer } from './http-server.ts';
import { type Listening, listen } from './listen.ts';
import { OtherPopsWatch } from './other-pops-watch.ts';
import { OwnOrigin } from './own-origin.ts';
import { PathFeed } from './path-feed.ts';
import { restApp } from './rest.ts';
import type { DrainPort } from './rest-drain.ts';
import type { Readiness } from './rest-health.ts';
import { SessionBook } from './session-book.ts';
import { SessionReplacement } from './session-replacement.ts';
import { type SignalingMetrics, signalingMetrics } from './signaling-metrics.ts';
import { SocketHub } from './socket-hub.ts';
import { SessionTokens } from './tokens.ts';
import { upgradeHandler } from './upgrade.ts';

export interface SignalingServerOptions {
  config: Config;
  /** This POP. */
  nodeId: string;
  region: string;
  /** Where this POP keeps what it writes down. @defaultValue in its own region */
  stores?: NodeStores;
  edge: MediaEdge;
  registry: Registry;
  /** Not closed with the server. */
  policy: PolicySource;
  /** The addresses of AI services that cores use, under a policy. */
  endpoints(policy: Policy): readonly AiEndpoint[];
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  /** HMAC secret of tokens, at least 32 bytes: see loadTokenSecret. */
  tokenSecret: Uint8Array;
  /** Folder of the built page, or null when there is none. */
  pageDir: string | null;
  readiness(): Promise<Readiness>;
  /** What `/v1/drain` drains; absent: it is not there. */
  drain?: DrainPort;
  /** Told the number of sessions that have not ended whenever it changes. */
  onSessionCount?: (sessions: number) => void;
}

/** How long clients may take to answer our close, ms. */
const CLOSE_GRACE_MS = 1_000;

interface Parts {
  places: CallerPlaces;
  placement: PlacementService;
  paths: PathFeed;
  replacement: SessionReplacement;
  others: OtherPopsWatch;
  book: SessionBook;
  hub: SocketHub;
  clock: Clock;
  metrics: SignalingMetrics;
  log: Logger;
}

export class SignalingServer implements AsyncDisposable {
  /** Base URL by which callers reach this POP. */
  readonly url: string;
  readonly #parts: Parts;
  readonly #listening: Listening;
  readonly #shutdown: { begun: boolean };
  #closing: Promise<void> | null = null;

  private constructor(url: string, parts: Parts, listening: Listening, shutdown: { begun: boolean }) {
    this.url = url;
    this.#parts = parts;
    this.#listening = listening;
    this.#shutdown = shutdown;
  }

  /** @throws ERR_PORT_IN_USE | ERR_CONFIG_INVALID */
  static async start(options: SignalingServerOptions): Promise<SignalingServer> {
    const { config, clock, log } = options;
    const metrics = signalingMetrics(options.metrics);
    const addresses = new ClientAddresses(config.http.trustedProxies);
    const ownOrigin = new OwnOrigin(config.http);
    const places = new CallerPlaces({ clock });
    const tokens = new SessionTokens({ secret: options.tokenSecret, clock });
    const { limits } = config;
    const placement = new PlacementService({
      ...options,
      pop: { nodeId: options.nodeId, region: options.region, ...(options.stores && { stores: options.stores }) },
      popCapacity: limits.maxSessions,
      reservationTtlMs: config.placement.reservationSeconds * 1_000,
    });
    if (goesByCountry(options.policy.current)) places.load();
    const book = new SessionBook({ ...options, places, placement, tokens, metrics });
    const hub = new SocketHub({
      door: book,
      limits,
      maxSocketsPerAddress: limits.maxSocketsPerAddress,
      clock,
      log,
      metrics,
    });
    const shutdown = { begun: false };
    const isShuttingDown = () => shutdown.begun;
    let url = config.http.publicUrl ?? 'http://localhost';
    const app = restApp({
      ...options,
      addresses,
      ownOrigin,
      book,
      placement,
      places,
      signalingMetrics: metrics,
      isShuttingDown,
      ownUrl: () => url,
    });
    const upgrade = upgradeHandler({
      hub,
      addresses,
      metrics,
      maxMessageBytes: limits.maxMessageBytes,
      isShuttingDown,
    });
    try {
      const listening = await listen({
        host: config.http.host,
        port: config.http.port,
        createServer: () => httpServer(app, (code) => metrics.requestRefused(code)).on('upgrade', upgrade),
      });
      url = config.http.publicUrl ?? `http://${nameFor(config.http.host)}:${listening.port}`;
      log.debug({ url, port: listening.port }, 'signaling is listening');
      const paths = new PathFeed({ edge: options.edge, placement, clock });
      const replacement = new SessionReplacement({ ...options, book, placement });
      const others = new OtherPopsWatch({ ...options, onChanged: () => void book.tellElsewhere() });
      const parts = { places, placement, paths, replacement, others, book, hub, clock, metrics, log };
      return new SignalingServer(url, parts, listening, shutdown);
    } catch (error) {
      placement.close();
      await Promise.all([hub.close(0), places.close()]);
      throw error;
    }
  }

  /** Port that it listens on. */
  get port(): number {
    return this.#listening.port;
  }

  /** Sessions that have not ended. */
  get sessionCount(): number {
    return this.#parts.book.size;
  }

  /** Signaling sockets that are open. */
  get socketCount(): number {
    return this.#parts.hub.size;
  }

  /** From now on new sessions are refused with ERR_SHUTTING_DOWN; those that there are can be joined and go on. */
  beginDrain(): void {
    this.#parts.book.beginShutdown();
  }

  /** New sessions are taken again; not once `beginShutdown` was called. */
  endDrain(): void {
    if (!this.#shutdown.begun) this.#parts.book.endDrain();
  }

  /**
   * Tells every client to come back by another POP, in small groups within `withinMs`; resolves when all were told. They
   * leave when they are there: `sessionCount` falls. To be called after `beginDrain`, and again for those that are left.
   */
  sendCallersAway(how: { withinMs: number; reason?: string; signal?: AbortSignal }): Promise<SentAway> {
    const { book, clock, metrics } = this.#parts;
    return sendCallersAway({ reason: 'This POP is being stopped.', ...how, book, clock, metrics });
  }

  /** From now on new sessions and sockets are refused with ERR_SHUTTING_DOWN; running calls go on. */
  beginShutdown(): void {
    this.#shutdown.begun = true;
    this.#parts.book.beginShutdown();
  }

  /** Ends every session with `end`, tells every client and closes everything. Idempotent. */
  close(end: SessionEnd): Promise<void> {
    this.beginShutdown();
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ code: 'node-shutdown', reason: 'The server is shutting down.' });
  }

  async #close(end: SessionEnd): Promise<void> {
    const { book, hub, places, placement, paths, replacement, others, log } = this.#parts;
    paths.close();
    replacement.close();
    others.close();
    placement.close();
    const stopped = Promise.all(this.#listening.servers.map(stopServer));
    await Promise.all([book.close(end), hub.close(CLOSE_GRACE_MS)]);
    for (const server of this.#listening.servers) server.closeAllConnections();
    await Promise.all([stopped, places.close()]);
    log.debug({ code: end.code }, 'signaling is closed');
  }
}

function goesByCountry({ residency, cores }: Policy): boolean {
  return [residency.byCountry, cores.forcedByCountry].some((rules) => Object.keys(rules).length > 0);
}
