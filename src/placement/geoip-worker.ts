/**
 * The thread that holds geoip-lite's database: its load reads some 110 MB in one synchronous go (60..190 ms measured),
 * which no event loop with calls on it may wait for. Answers `{id, address}` with `{id, country, city}`; says
 * `{ready: true}` once it can.
 */
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';

/** The part of geoip-lite's answer that we read; it brings no types. */
interface GeoipAnswer {
  /** ISO 3166-1 alpha-2, empty when unknown. */
  country: string;
  city: string;
}

const require = createRequire(import.meta.url);
const geoip = require('geoip-lite') as { lookup(address: string): GeoipAnswer | null };

parentPort?.on('message', ({ id, address }: { id: number; address: string }) => {
  const answer = geoip.lookup(address);
  parentPort?.postMessage({ id, country: answer?.country || null, city: answer?.city || null });
});
parentPort?.postMessage({ ready: true });
