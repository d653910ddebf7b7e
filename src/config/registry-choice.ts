/** The settings of the registry: which store, where it is, how to get in. A part of schema.ts. */
import { z } from 'zod';

/** `host`, `host:port`, `[::1]:port`. */
const address = z.string().regex(/^(\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*)(:\d{1,5})?$/i, 'must be host or host:port');
const file = z.string().min(1).nullable().default(null);
const secret = z.string().min(1).max(512).nullable().default(null);

export const registryChoice = z
  .strictObject({
    /** memory: nodes of this process only. redis: nodes on different machines find each other. */
    kind: z.enum(['memory', 'redis']).default('memory'),
    /** One server: redis:// or rediss:// (TLS), with a number of a database behind it if need be. */
    url: z
      .url({ protocol: /^rediss?$/ })
      .refine(
        (url) => /^\/?\d*$/.test(URL.parse(url)?.pathname ?? ''),
        'the path must be a database number, such as /1',
      )
      .nullable()
      .default(null),
    /** Sentinels, host:port, and the name that they know the master by. */
    sentinels: z.array(address).max(32).default([]),
    sentinelName: z.string().min(1).max(128).default('mymaster'),
    /** Some nodes of a Cluster, host:port; they name the others. */
    cluster: z.array(address).max(64).default([]),
    db: z.number().int().min(0).max(1_023).default(0),
    username: z.string().min(1).max(256).nullable().default(null),
    /** Better by ANTIPODE_REDIS_PASSWORD or in passwordFile than in a configuration file. */
    password: secret,
    passwordFile: file,
    sentinelUsername: z.string().min(1).max(256).nullable().default(null),
    sentinelPassword: secret,
    sentinelPasswordFile: file,
    tls: z
      .strictObject({
        enabled: z.boolean().default(false),
        /** PEM files: whom to trust when not the system's CAs, and who we are when Redis asks for it. */
        caFile: file,
        certFile: file,
        keyFile: file,
        /** Name in the server's certificate, when it is not the host's. */
        serverName: z.string().min(1).max(253).nullable().default(null),
      })
      .prefault({}),
    /** Begins every key and channel. */
    keyPrefix: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[a-z0-9:._-]*:$/i, 'letters, digits, colon, dot, dash and underscore, with a colon at the end')
      .default('antipode:'),
    /** Residency zone whose sessions this registry holds; zones that share a Redis do not see each other. */
    zone: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dot, dash and underscore only')
      .default('local'),
    commandTimeoutMs: z.number().int().min(50).max(10_000).default(1_000),
    /** A node that starts waits this long for its registry. */
    connectTimeoutMs: z.number().int().min(500).max(120_000).default(10_000),
  })
  .superRefine((registry, context) => {
    const places = [registry.url !== null, registry.sentinels.length > 0, registry.cluster.length > 0];
    const count = places.filter(Boolean).length;
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (registry.kind === 'memory' && count > 0)
      refuse('kind', 'must be redis for url, sentinels or cluster to matter');
    if (registry.kind === 'redis' && count !== 1) refuse('kind', 'redis needs one of url, sentinels and cluster');
    if (registry.cluster.length > 0 && registry.db !== 0) refuse('db', 'a Cluster has the database 0 only');
    if (registry.password !== null && registry.passwordFile !== null) {
      refuse('passwordFile', 'is there beside password; one of them');
    }
  })
  .prefault({});
