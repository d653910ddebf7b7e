/**
 * The placement policy: every rule that an operator sets, with its default and its bounds. The one schema that
 * placement.yaml is read through and that its JSON Schema is made of. Owns no decision.
 */
import { z } from 'zod';
import { declaredRegionSchema } from './regions.ts';

const country = z.string().regex(/^[A-Z]{2}$/, 'must be a country of two upper-case letters');
const regionName = z.string().min(1).max(64);
const pin = z.string().min(1).max(200).describe('Places with commas between, such as "eu" or "de,fr".');
const share = z.number().min(0).max(1);

export const policySchema = z.strictObject({
  version: z.literal(1).describe('Of this file.'),
  objective: z
    .strictObject({
      tailWeight: z
        .number()
        .min(0)
        .max(10)
        .default(0.25)
        .describe('How much a millisecond between p50 and p95 counts beside one of p50.'),
      loadWeightMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(40)
        .describe('Milliseconds that a full core region counts as slower than an empty one.'),
      costWeightMsPerCent: z
        .number()
        .min(0)
        .max(10_000)
        .default(0)
        .describe('Milliseconds that a US cent per minute counts as slower.'),
      hysteresisMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(60)
        .describe('A running session moves only for a place that is better by more than this.'),
    })
    .prefault({}),
  latency: z
    .strictObject({
      preparingMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(160)
        .describe(
          'From the last sound of a turn until its answer begins to be made; endpointingMs without speculation.',
        ),
      endpointingMs: z
        .number()
        .min(0)
        .max(10_000)
        .default(580)
        .describe('From the last sound of a turn until its answer may be heard, however soon it is there.'),
      accessMs: z
        .number()
        .min(0)
        .max(500)
        .default(10)
        .describe("The caller's own network, where only a distance is known."),
      measurementTtlSeconds: z.number().min(1).max(86_400).default(600).describe('Measured paths count for this long.'),
      serviceMeasurementTtlSeconds: z
        .number()
        .min(1)
        .max(86_400)
        .default(3_600)
        .describe('Times of AI services and round trips of turns, which only calls measure, count for this long.'),
    })
    .prefault({}),
  residency: z
    .strictObject({
      pin: pin.nullable().default(null).describe('Holds for every session.'),
      byCountry: z.record(country, pin).default({}).describe("Holds for callers of a country, such as DE: 'eu'."),
      whenUnknown: pin
        .nullable()
        .default(null)
        .describe('Holds for callers whose country nobody knows: private addresses, and those that no database has.'),
      acceptBestEffort: z
        .boolean()
        .default(false)
        .describe('Whether a pinned session may use a service that only intends to keep data in its region.'),
    })
    .prefault({}),
  regions: z
    .record(regionName, declaredRegionSchema)
    .default({})
    .describe('Places of your own, with their country, jurisdiction and coordinates.'),
  paths: z
    .array(
      z
        .strictObject({
          from: regionName,
          to: regionName,
          p50Ms: z.number().min(0).max(10_000),
          p95Ms: z.number().min(0).max(10_000).optional(),
        })
        .refine(({ p50Ms, p95Ms }) => p95Ms === undefined || p95Ms >= p50Ms, {
          path: ['p95Ms'],
          message: 'must not be below p50Ms',
        }),
    )
    .max(10_000)
    .default([])
    .describe('Round trips that you know better than the shipped matrix does.'),
  cores: z
    .strictObject({
      blocked: z.array(regionName).max(200).default([]).describe('Regions that take no new session.'),
      forcedByCountry: z
        .record(country, regionName)
        .default({})
        .describe("Callers of a country run in this region or not at all, such as AU: 'ap-southeast-2'."),
      headroom: z
        .enum(['none', 'n-1'])
        .default('none')
        .describe('n-1: every core region can lose its largest node and still hold its sessions.'),
      maxLoad: share.default(1).describe('Share of its capacity up to which a core takes new sessions.'),
      canary: z
        .record(regionName, share)
        .default({})
        .describe('A new region takes only this share of the sessions that it could.'),
      move: z
        .strictObject({
          betterByMs: z
            .number()
            .min(0)
            .max(10_000)
            .default(150)
            .describe('So much sooner the caller must be answered there, by the predicted p50.'),
          betterByShare: share
            .default(0.2)
            .describe('And so large a share of what it takes where the session is must be gained.'),
          notWithinSeconds: z
            .number()
            .min(0)
            .max(86_400)
            .default(60)
            .describe('A session that began or moved less long ago stays.'),
          maxPerMinute: z.number().int().min(1).max(10_000).default(6).describe('Of one POP.'),
        })
        .nullable()
        .default(null)
        .describe('Running sessions move, between turns, to a core region that is so much better; null: none does.'),
    })
    .prefault({}),
  cost: z
    .strictObject({
      maxCentsPerMinute: z
        .number()
        .positive()
        .max(10_000)
        .nullable()
        .default(null)
        .describe('Places where a call costs more, node and services together, are left out.'),
      regionCentsPerMinute: z
        .record(regionName, z.number().min(0).max(10_000))
        .default({})
        .describe('What a session costs on a core there, in US cents.'),
    })
    .prefault({}),
  endpoints: z
    .strictObject({
      blocked: z
        .array(z.string().min(1).max(120))
        .max(500)
        .default([])
        .describe('Services or addresses that are never used: "groq" or "openai@us".'),
      places: z
        .record(z.string().min(1).max(120), regionName)
        .default({})
        .describe("The region that a service's address really stands in, such as openai@global: us-east-1."),
      tools: z
        .record(
          z.string().min(1).max(120),
          z
            .strictObject({
              region: regionName,
              hosts: z
                .array(
                  z
                    .string()
                    .max(253)
                    .regex(/^\.?[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$/, 'must be a host name in lower case'),
                )
                .max(50)
                .default([])
                .describe('Hosts that pinned sessions may reach for it; a leading dot means every name below.'),
              p50Ms: z.number().min(0).max(60_000),
              p95Ms: z.number().min(0).max(60_000),
            })
            .refine(({ p50Ms, p95Ms }) => p95Ms >= p50Ms, { path: ['p95Ms'], message: 'must not be below p50Ms' }),
        )
        .default({})
        .describe("Where the servers behind agents' tools stand and how long one answer of theirs takes."),
    })
    .prefault({}),
});
export type Policy = Readonly<z.infer<typeof policySchema>>;

/** What holds without a file. */
export const DEFAULT_POLICY: Policy = policySchema.parse({ version: 1 });
