/** What was measured of endpoints and turns, as the world's document tells it. Owns that part of the format. */
import { z } from 'zod';
import type { AiEndpoint, EndpointMeasurement } from './endpoint.ts';

const ms = z.number().min(0).max(600_000);
const age = z.number().min(0);
const count = z.number().min(0);
const source = z.enum(['measured', 'operator', 'catalogue', 'assumed']);

export const endpointMeasurementSchema = z.strictObject({
  /** Requests behind it. */
  count,
  /** Since the newest of them. */
  ageMs: age,
  /** Share that they have in the endpoint's figure; the rest is what was known before. */
  confidence: z.number().min(0).max(1),
  /** What was known before. */
  before: z.strictObject({ p50Ms: ms, p95Ms: ms, source }),
  /** With the path there and back, by the region of the cores that asked. */
  from: z
    .array(z.strictObject({ core: z.string().min(1).max(120), p50Ms: ms, p95Ms: ms, count, ageMs: age }))
    .max(1_000),
});
type Document = z.infer<typeof endpointMeasurementSchema>;

/** Of a measured k. */
export const legMeasurementSchema = z.strictObject({
  turns: count,
  ageMs: age,
  /** The agent's own word. */
  said: z.number().min(0).max(100),
});

export function measurementDocument({ before, from, ...rest }: EndpointMeasurement): Document {
  return {
    ...rest,
    before: { p50Ms: before.p50, p95Ms: before.p95, source: before.source },
    from: from.map(({ p50, p95, ...seen }) => ({ ...seen, p50Ms: p50, p95Ms: p95 })),
  };
}

/** An endpoint with what a document tells of its measurements; what is older than the limit is as if it was not measured. */
export function withMeasurement(endpoint: AiEndpoint, told: Document | undefined, ttlMs: number): AiEndpoint {
  if (told === undefined) return endpoint;
  const before = { p50: told.before.p50Ms, p95: told.before.p95Ms, source: told.before.source };
  if (told.ageMs > ttlMs) return { ...endpoint, ...before };
  const from = told.from
    .filter(({ ageMs }) => ageMs <= ttlMs)
    .map(({ p50Ms, p95Ms, ...seen }) => ({ ...seen, p50: p50Ms, p95: p95Ms }));
  const { count: runs, ageMs, confidence } = told;
  return { ...endpoint, measured: { count: runs, ageMs, confidence, before, from } };
}
