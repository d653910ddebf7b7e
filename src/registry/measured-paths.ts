/**
 * What a POP has measured of its ways to cores, as its record tells it. Owns the shape and how much of it there may be.
 * Ages, not times, for the clocks of two nodes disagree.
 */
import { z } from 'zod';

const name = z.string().min(1).max(120);
const ms = z.number().nonnegative().max(600_000);

/** A record is read by everybody: the cores that have the most sessions of the POP come first. */
export const MAX_TOLD_PATHS = 64;

export const measuredPathSchema = z.object({
  /** Node id of the core. */
  core: name,
  /** Where it says that it is. */
  region: name,
  /** Name of the way that media takes, where there are several. */
  way: name.optional(),
  /** Round trip. */
  p50Ms: ms,
  p95Ms: ms,
  /** Mean difference between one round trip and the next; null where no probes go. */
  jitterMs: ms.nullable(),
  /** Share of the packets that are lost, there and back, 0 to 1; null likewise. */
  loss: z.number().min(0).max(1).nullable(),
  ageMs: ms,
});
export type MeasuredPath = z.infer<typeof measuredPathSchema>;

export const measuredPathsSchema = z.object({
  /** Grows with each measurement: figures that are the same again are news all the same. */
  telling: z.number().int().nonnegative(),
  ways: z.array(measuredPathSchema).max(MAX_TOLD_PATHS),
});
export type MeasuredPaths = z.infer<typeof measuredPathsSchema>;
