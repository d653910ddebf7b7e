/** The HTTP side of a POP as one Express application: headers, routes, the page, refusals. Owns no listener. */
import express, { type Express, type Request } from 'express';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import type { CallerPlaces, PlacementService } from '../placement/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Logger, Registry as Metrics } from '../telemetry/index.ts';
import type { MediaEdge } from './call-port.ts';
import type { ClientAddresses } from './client-address.ts';
import { FellowPops } from './fellow-pops.ts';
import { Gate } from './gate.ts';
import type { OwnOrigin } from './own-origin.ts';
import { PopChoice } from './pop-choice.ts';
import { AddressRateLimiter } from './rate-limit.ts';
import { type DrainPort, drainRoutes } from './rest-drain.ts';
import { errorHandler, notFound } from './rest-errors.ts';
import { healthRoutes, type Readiness } from './rest-health.ts';
import { moveRoutes } from './rest-move.ts';
import { nodeRoutes } from './rest-nodes.ts';
import { pageRoutes } from './rest-page.ts';
import { placementRoutes } from './rest-placement.ts';
import { probeHandler, probeRoutes } from './rest-probes.ts';
import { roomRoutes } from './rest-rooms.ts';
import { sessionRoutes } from './rest-sessions.ts';
import { securityHeaders } from './security-headers.ts';
import type { SessionBook } from './session-book.ts';
import type { SignalingMetrics } from './signaling-metrics.ts';
import { SIGNALING_PATH } from './upgrade.ts';

export interface RestOptions {
  config: Pick<Config, 'http' | 'auth' | 'limits'>;
  addresses: ClientAddresses;
  ownOrigin: OwnOrigin;
  book: SessionBook;
  edge: Pick<MediaEdge, 'room'>;
  placement: PlacementService;
  places: CallerPlaces;
  /** This POP. */
  nodeId: string;
  registry: Registry;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  signalingMetrics: SignalingMetrics;
  pageDir: string | null;
  readiness(): Promise<Readiness>;
  isShuttingDown(): boolean;
  /** What `/v1/drain` drains; absent: it is not there. */
  drain?: DrainPort;
  /** Our own base URL, known once we listen. */
  ownUrl(): string;
}

export function restApp(options: RestOptions): Express {
  const { config, addresses, ownOrigin } = options;
  const limiter = new AddressRateLimiter({
    clock: options.clock,
    perMinute: config.limits.sessionsPerMinutePerAddress,
  });
  const { nodeId, placement } = options;
  const fellows = new FellowPops({ nodeId, nodes: () => placement.nodes });
  const keyLimiter = new AddressRateLimiter({
    clock: options.clock,
    perMinute: config.limits.sessionsPerMinutePerKey,
  });
  const gate = new Gate({ auth: config.auth, addresses, ownOrigin, limiter, keyLimiter, fellows });
  const signalingUrlOf = (request: Request) =>
    ownOrigin.signalingUrl(request.headers.host, addresses.of(request).secure, options.ownUrl());

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(probeHandler(options));
  app.use(securityHeaders((request) => [new URL(signalingUrlOf(request)).origin, ...fellows.connectSources].join(' ')));
  app.use(healthRoutes({ ...options, gate }));
  app.use(nodeRoutes({ ...options, gate }));
  app.use(roomRoutes({ ...options, gate }));
  app.use(moveRoutes({ ...options, gate, maxBodyBytes: config.http.maxBodyBytes }));
  if (options.drain) {
    app.use(drainRoutes({ gate, nodeId, hasKeys: config.auth.apiKeys.length > 0, drain: options.drain }));
  }
  app.use(
    sessionRoutes({
      gate,
      book: options.book,
      popChoice: new PopChoice(options),
      log: options.log,
      registry: options.registry,
      maxBodyBytes: config.http.maxBodyBytes,
      metrics: options.signalingMetrics,
      signalingUrlOf,
    }),
  );
  app.use(probeRoutes({ ...options, gate, signalingUrlOf }));
  app.use(placementRoutes({ ...options, gate, maxBodyBytes: config.http.maxBodyBytes, signalingUrlOf }));
  app.all(SIGNALING_PATH, () => {
    throw new AntipodeError('ERR_REQUEST_MALFORMED', 'Open a WebSocket here.');
  });
  app.use(pageRoutes(options.pageDir));
  app.use(notFound);
  app.use(errorHandler(options.log));
  return app;
}
