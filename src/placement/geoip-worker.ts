/**
 * The thread that holds geoip-lite's database, whose load no event loop with calls on it may wait for. Answers
 * `{id, address}` with `{id, country, city, at, withinKm}`; says `{ready: true}` once it can.
 */
import { parentPort } from 'node:worker_threads';
import { lookUp } from './geoip.ts';

parentPort?.on('message', ({ id, address }: { id: number; address: string }) => {
  parentPort?.postMessage({ id, ...lookUp(address) });
});
parentPort?.postMessage({ ready: true });
