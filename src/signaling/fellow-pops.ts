/**
 * The other POPs of this deployment, as a browser meets them: pages that we serve may probe them and create sessions
 * there, and pages that they serve may create sessions here. Who they are is what the registry last told.
 */
import type { RequestHandler } from 'express';
import type { NodeRecord } from '../registry/index.ts';
import type { Gate } from './gate.ts';
import { popBaseUrl } from './pop-address.ts';

export interface FellowPopsOptions {
  /** This POP. */
  nodeId: string;
  /** As last told; the same array until it is told anew. */
  nodes(): readonly NodeRecord[];
}

/** POPs that a page may connect to: the header that says so must stay short. */
const MAX_FELLOWS = 32;
/** Seconds for which a browser keeps the answer to a preflight. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;

export class FellowPops {
  readonly #options: FellowPopsOptions;
  #known: { nodes: readonly NodeRecord[]; origins: ReadonlySet<string> } | null = null;

  constructor(options: FellowPopsOptions) {
    this.#options = options;
  }

  /** Whether a page of this origin is a fellow POP's. */
  hasOrigin(origin: string): boolean {
    return this.#origins().has(origin.toLowerCase());
  }

  /** For `connect-src`: their probes, sessions and sockets. */
  get connectSources(): readonly string[] {
    return [...this.#origins()].flatMap((origin) => [origin, origin.replace(/^http/, 'ws')]);
  }

  #origins(): ReadonlySet<string> {
    const nodes = this.#options.nodes();
    if (this.#known?.nodes !== nodes) {
      const urls = nodes
        .filter(({ role, nodeId }) => role === 'pop' && nodeId !== this.#options.nodeId)
        .flatMap(({ signalingUrl }) => popBaseUrl(signalingUrl) ?? []);
      this.#known = { nodes, origins: new Set(urls.slice(0, MAX_FELLOWS).map((url) => new URL(url).origin)) };
    }
    return this.#known.origins;
  }
}

/** Lets pages of fellow POPs read the answers of a route, and answers their preflights; others pass as they came. */
export function fellowCors(gate: Gate): RequestHandler {
  return (request, response, next) => {
    if (!gate.isOfFellow(request)) return next();
    response.vary('Origin').set({
      'Access-Control-Allow-Origin': request.headers.origin as string,
      'Access-Control-Expose-Headers': 'Retry-After',
    });
    if (request.method !== 'OPTIONS') return next();
    response
      .status(204)
      .set({
        'Access-Control-Allow-Methods': 'POST',
        'Access-Control-Allow-Headers': 'content-type',
        'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_SECONDS),
      })
      .end();
  };
}
