/**
 * Times requests to the probe of a POP over one connection that is warm: from the request being written to the first
 * byte of its answer. Owns sockets for as long as it measures; knows nothing of POPs.
 */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from './clock.ts';

export interface PingOptions {
  /** Timed requests, after one that warms the connection. */
  count: number;
  /** Of each request. */
  timeoutMs: number;
  clock: Clock;
}

export interface Pings {
  /** In the order in which they were made, ms. */
  readonly samples: readonly number[];
  /** Why there are fewer than were asked for, or null. */
  readonly failure: string | null;
}

/** Never rejects: a failure ends the measurement and is told. */
export async function ping(url: string, options: PingOptions): Promise<Pings> {
  const isTls = new URL(url).protocol === 'https:';
  const settings = { keepAlive: true, maxSockets: 1 };
  const agent = isTls ? new HttpsAgent(settings) : new HttpAgent(settings);
  const samples: number[] = [];
  try {
    for (let number = 0; number <= options.count; number++) {
      const tookMs = await once(url, isTls, agent, options);
      if (number > 0) samples.push(tookMs);
    }
    return { samples, failure: null };
  } catch (error) {
    return { samples, failure: wordsOf(error) };
  } finally {
    agent.destroy();
  }
}

function once(url: string, isTls: boolean, agent: HttpAgent | HttpsAgent, options: PingOptions): Promise<number> {
  const { clock, timeoutMs } = options;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request: ClientRequest = isTls ? httpsRequest(url, { agent }) : httpRequest(url, { agent });
  const timer = clock.setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  let sentMs = clock.now();
  request.on('socket', (socket) => {
    const ready = isTls ? 'secureConnect' : 'connect';
    if (socket.connecting) socket.once(ready, () => (sentMs = clock.now()));
    else sentMs = clock.now();
  });
  request.on('response', (response) => {
    const tookMs = clock.now() - sentMs;
    response.resume();
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === 204) resolve(tookMs);
      else reject(new Error(`it answers ${response.statusCode}, which is no probe's answer`));
    });
  });
  request.on('error', reject);
  request.end();
  return promise.finally(() => timer.cancel());
}

/** Of whatever a socket throws: an error of several addresses has no words of its own. */
function wordsOf(error: unknown): string {
  const of = error instanceof AggregateError ? error.errors[0] : error;
  return of instanceof Error ? of.message || of.name : String(of);
}
