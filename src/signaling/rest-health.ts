/**
 * `/healthz` (the process is alive), `/readyz` (it can take a call: each part said) and `/metrics` (Prometheus text;
 * for this machine and for API keys, since it tells how busy a POP is and with what).
 */
import { type Request, Router } from 'express';
import type { Clock } from '../clock.ts';
import { delay } from '../clock.ts';
import { AntipodeError } from '../errors.ts';
import type { Logger, Registry as Metrics } from '../telemetry/index.ts';
import type { Gate } from './gate.ts';
import { methodNotAllowed } from './rest-errors.ts';

/** Whether the node can take calls, and which part can't. */
export interface Readiness {
  ok: boolean;
  parts: Readonly<Record<string, boolean>>;
  /** What does not keep it from taking calls now, and will if nobody looks after it: words by part. */
  warnings?: Readonly<Record<string, string>>;
}

export interface HealthRoutesOptions {
  readiness(): Promise<Readiness>;
  isShuttingDown(): boolean;
  /** What takes requests here, as `/readyz` names it. @defaultValue signaling */
  door?: string;
  metrics: Metrics;
  gate: Gate;
  clock: Clock;
  log: Logger;
}

/** A readiness check that takes longer has failed, ms. */
const READINESS_TIMEOUT_MS = 2_000;

export function healthRoutes(options: HealthRoutesOptions): Router {
  const router = Router();
  router
    .route('/healthz')
    .get((_request, response) => {
      response.set('Cache-Control', 'no-store').json({ ok: true });
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  router
    .route('/readyz')
    .get(async (_request, response) => {
      const readiness = await check(options);
      response
        .status(readiness.ok ? 200 : 503)
        .set('Cache-Control', 'no-store')
        .json(readiness);
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  router
    .route('/metrics')
    .get(async (request, response) => {
      demandMetricsReader(options.gate, request);
      const text = await options.metrics.metrics();
      response.set('Cache-Control', 'no-store').type(options.metrics.contentType).send(text);
    })
    .all(methodNotAllowed('GET', 'HEAD'));
  return router;
}

async function check(options: HealthRoutesOptions): Promise<Readiness> {
  const isOpen = !options.isShuttingDown();
  const door = { [options.door ?? 'signaling']: isOpen };
  const timeout = new AbortController();
  try {
    const readiness = await Promise.race([
      options.readiness(),
      delay(options.clock, READINESS_TIMEOUT_MS, timeout.signal).then(() => {
        throw new Error(`the readiness check took longer than ${READINESS_TIMEOUT_MS} ms`);
      }),
    ]);
    const { warnings } = readiness;
    return { ok: readiness.ok && isOpen, parts: { ...readiness.parts, ...door }, ...(warnings && { warnings }) };
  } catch (error) {
    options.log.error({ err: error }, 'the readiness check failed');
    return { ok: false, parts: { check: false, ...door } };
  } finally {
    timeout.abort();
  }
}

/** @throws ERR_UNAUTHORIZED | ERR_FORBIDDEN */
function demandMetricsReader(gate: Gate, request: Request): void {
  if (gate.callerOf(request).kind === 'api-key') return;
  if (!gate.addressOf(request).local) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'Metrics need an API key, unless asked for from this machine.');
  }
  gate.demandOwnPage(request);
}
