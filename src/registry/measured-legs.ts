/**
 * What a core has measured of its agents' turns, as its record tells it: how long services took as seen from there, and
 * how often a turn went to them. Owns the shapes. Ages, not times, for the clocks of two nodes disagree.
 */
import { z } from 'zod';

const name = z.string().min(1).max(120);
const ms = z.number().nonnegative();

/** One service at one address, as seen from the core: the path there and back is in the times. */
export const measuredServiceSchema = z.object({
  kind: z.enum(['stt', 'llm', 'tts', 's2s']),
  /** In the catalogue, or a program's name. */
  service: name,
  model: name.nullable(),
  /** The catalogue's name of the address's region, `local` for a program of the core; null when unknown. */
  region: name.nullable(),
  /** Request to first word or sound, or to final words. */
  p50Ms: ms,
  p95Ms: ms,
  /** Requests behind them; older ones count less. */
  count: ms,
  /** Since the newest of them. */
  ageMs: ms,
  /** Median time to open a connection there, one round trip; null when none was timed. */
  connectMs: ms.nullable(),
});
export type MeasuredService = z.infer<typeof measuredServiceSchema>;

/** Round trips of an agent's turns that the first sound of the answer waited for. */
export const measuredTurnsSchema = z.object({
  agent: name,
  /** Turns behind the means; older ones count less. */
  turns: ms,
  /** Since the newest of them. */
  ageMs: ms,
  /** Mean of a turn, by kind of service. */
  k: z.object({ llm: ms, tts: ms }),
});
export type MeasuredTurns = z.infer<typeof measuredTurnsSchema>;

export const measuredLegsSchema = z.object({
  services: z.array(measuredServiceSchema).max(64),
  turns: z.array(measuredTurnsSchema).max(64),
});
export type MeasuredLegs = z.infer<typeof measuredLegsSchema>;
