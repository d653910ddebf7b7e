/**
 * The HTTP port of a node that callers do not come in by: `/healthz`, `/readyz`, `/metrics` and `GET /v1/nodes`, and where
 * placement runs here also `GET /v1/world` and `POST /v1/placements`. Owns the listening; a POP's door is server.ts.
 */
import express, { type Express } from 'express';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import type { CallerPlaces, PlacementService } from '../placement/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Logger, Registry as Metrics } from '../telemetry/index.ts';
import { ClientAddresses } from './client-address.ts';
import { Gate } from './gate.ts';
import { httpServer, nameFor, stopServer } from './http-server.ts';
import { type Listening, listen } from './listen.ts';
import { OwnOrigin } from './own-origin.ts';
import { AddressRateLimiter } from './rate-limit.ts';
import { type DrainPort, drainRoutes } from './rest-drain.ts';
import { errorHandler, notFound } from './rest-errors.ts';
import { healthRoutes, type Readiness } from './rest-health.ts';
import { nodeRoutes } from './rest-nodes.ts';
import { placementRoutes } from './rest-placement.ts';
import { securityHeaders } from './security-headers.ts';

export interface NodeServerOptions {
  config: Pick<Config, 'http' | 'auth' | 'limits'>;
  nodeId: string;
  /** What takes requests here, as `/readyz` names it. */
  door: string;
  /** For `GET /v1/nodes`. Not closed with the server. */
  registry?: Registry;
  /** Where placement is asked for here. Neither is closed with the server. */
  placement?: { readonly service: PlacementService; readonly places: CallerPlaces; readonly registry: Registry };
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  readiness(): Promise<Readiness>;
  /** What `/v1/drain` drains; absent: it is not there. */
  drain?: DrainPort;
}

export class NodeServer implements AsyncDisposable {
  /** Base URL on this machine, or the configured public one. */
  readonly url: string;
  readonly #listening: Listening;
  readonly #drain: { begun: boolean };
  #closing: Promise<void> | null = null;

  private constructor(url: string, listening: Listening, drain: { begun: boolean }) {
    this.url = url;
    this.#listening = listening;
    this.#drain = drain;
  }

  /** @throws ERR_PORT_IN_USE | ERR_CONFIG_INVALID */
  static async start(options: NodeServerOptions): Promise<NodeServer> {
    const { http } = options.config;
    const drain = { begun: false };
    const app = nodeApp(options, () => drain.begun);
    const { log } = options;
    const listening = await listen({
      host: http.host,
      port: http.port,
      createServer: () => httpServer(app, (code) => log.debug({ code }, 'request refused')),
    });
    const url = http.publicUrl ?? `http://${nameFor(http.host)}:${listening.port}`;
    return new NodeServer(url, listening, drain);
  }

  get port(): number {
    return this.#listening.port;
  }

  /** From now on `/readyz` says no. */
  beginDrain(): void {
    this.#drain.begun = true;
  }

  /** `/readyz` says what is so again. */
  endDrain(): void {
    if (!this.#closing) this.#drain.begun = false;
  }

  /** Requests that are under way are answered. Idempotent. */
  close(): Promise<void> {
    this.beginDrain();
    this.#closing ??= Promise.all(this.#listening.servers.map(stopServer)).then(() => undefined);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function nodeApp(options: NodeServerOptions, isShuttingDown: () => boolean): Express {
  const { config, clock, placement, nodeId } = options;
  const gate = new Gate({
    auth: config.auth,
    addresses: new ClientAddresses(config.http.trustedProxies),
    ownOrigin: new OwnOrigin(config.http),
    limiter: new AddressRateLimiter({ clock, perMinute: config.limits.sessionsPerMinutePerAddress }),
    fellows: { hasOrigin: () => false },
  });
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(securityHeaders(() => ''));
  app.use(healthRoutes({ ...options, gate, isShuttingDown }));
  if (options.registry !== undefined) app.use(nodeRoutes({ ...options, registry: options.registry, gate }));
  if (placement !== undefined) {
    const { service, places, registry } = placement;
    app.use(
      placementRoutes({ gate, placement: service, places, registry, nodeId, maxBodyBytes: config.http.maxBodyBytes }),
    );
  }
  if (options.drain !== undefined) {
    app.use(drainRoutes({ gate, nodeId, hasKeys: config.auth.apiKeys.length > 0, drain: options.drain }));
  }
  app.use(notFound);
  app.use(errorHandler(options.log));
  return app;
}
