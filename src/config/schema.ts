/**
 * Every setting of every role, with its default and its bounds: the one zod schema that antipode.yaml and the
 * environment are read through. Unknown keys are refused. Where a value may come from the environment, ENVIRONMENT
 * names the variable.
 */
import { z } from 'zod';
import { backboneChoice } from './backbone-choice.ts';
import { registryChoice } from './registry-choice.ts';
import { hedgeChoice, serviceChoices } from './service-choice.ts';

const port = z.number().int().min(0).max(65_535);
const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dot, dash and underscore only');
const ip = z.union([z.ipv4(), z.ipv6()]);
/** The key alone, or with what its holder may. */
const apiKey = z.preprocess(
  (value) => (typeof value === 'string' ? { key: value } : value),
  z.strictObject({
    key: z.string().min(16).max(256),
    /** Sessions of high priority may use the slots that cores keep for them. */
    priority: z.enum(['normal', 'high']).default('normal'),
    /** Null: limits.sessionsPerMinutePerKey. */
    sessionsPerMinute: z.number().int().min(1).max(1_000_000).nullable().default(null),
  }),
);

export const configSchema = z.strictObject({
  node: z
    .strictObject({
      /** Of this node, in lists of nodes and in certificates; in `dev` the prefix of its two nodes' ids. */
      id: name.default('local'),
      region: name.default('local'),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: z.string().min(1).default('localhost'),
      port: port.default(8080),
      /** Base URL that callers reach this POP by, when it is not http://host:port (a proxy, a public name). */
      publicUrl: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      /** Addresses of proxies whose X-Forwarded-For is believed. */
      trustedProxies: z.array(z.string().min(1)).max(64).default([]),
      maxBodyBytes: z.number().int().min(1_024).max(1_048_576).default(65_536),
    })
    .prefault({}),
  auth: z
    .strictObject({
      /** Keys that may create sessions and read them. */
      apiKeys: z.array(apiKey).max(100).default([]),
      /** HMAC secret of join and resume tokens, at least 32 characters; made and kept in stateDir when absent. */
      tokenSecret: z.string().min(32).max(512).nullable().default(null),
      joinTokenTtlSeconds: z.number().int().min(10).max(3_600).default(120),
      /** Agents that may be joined without an API key; `*` for all. For demonstrations and development. */
      openAgents: z.array(z.string().min(1).max(64)).max(100).default([]),
    })
    .prefault({}),
  limits: z
    .strictObject({
      maxSessions: z.number().int().min(1).max(100_000).default(200),
      /** Session requests per client address and minute. */
      sessionsPerMinutePerAddress: z.number().int().min(1).max(1_000_000).default(300),
      /** Session requests per API key and minute, where the key itself says nothing else. */
      sessionsPerMinutePerKey: z.number().int().min(1).max(1_000_000).default(600),
      maxSocketsPerAddress: z.number().int().min(1).max(1_000_000).default(256),
      /** A WebSocket that did not join by then is closed. */
      joinTimeoutMs: z.number().int().min(100).max(60_000).default(5_000),
      maxMessageBytes: z.number().int().min(1_024).max(1_048_576).default(65_536),
      messagesPerSecond: z.number().int().min(1).max(10_000).default(50),
      /** A dropped signaling socket may come back within this time. */
      resumeWindowMs: z.number().int().min(0).max(600_000).default(30_000),
      /** A caller whose media did not connect by then is ended. */
      mediaConnectTimeoutMs: z.number().int().min(1_000).max(120_000).default(20_000),
      /** Callers in one room, at all POPs together. */
      maxRoomCallers: z.number().int().min(2).max(100).default(16),
      maxSessionSeconds: z.number().int().min(10).max(86_400).default(3_600),
      /** A node that is told to stop waits so long for its sessions to end, and ends those that are left. */
      drainTimeoutMs: z.number().int().min(0).max(86_400_000).default(25_000),
      /** A core that drains has its sessions move to others within this time. */
      handOverMs: z.number().int().min(0).max(600_000).default(8_000),
    })
    .prefault({}),
  edge: z
    .strictObject({
      workers: z.number().int().min(1).max(64).default(1),
      /** First UDP and TCP port for callers' media; worker n listens on mediaPort + n. 0 picks free ones. */
      mediaPort: port.default(44_400),
      listenIp: ip.default('127.0.0.1'),
      /** Address that callers are told, when it is not listenIp. */
      announcedAddress: z.string().min(1).nullable().default(null),
      uplinkRingSeconds: z.number().min(1).max(120).default(30),
      takeOver: z
        .strictObject({
          /** A core whose control channel is down for longer than this is lost; one that only broke is up again by then. */
          graceMs: z.number().int().min(0).max(5_000).default(300),
        })
        .prefault({}),
      /** Silencing the agent here for a sound of the caller, before its core has heard of it. */
      reflex: z
        .strictObject({
          enabled: z.boolean().default(true),
          /** Loud sound that silences the agent. */
          onsetMs: z.number().int().min(20).max(500).default(80),
          /** Loud is this much above the caller's own noise, dB, and half as much above what comes back of the agent. */
          marginDb: z.number().min(3).max(40).default(12),
          /** And never below this, dBov. */
          minDbov: z.number().min(-80).max(-10).default(-50),
          /** After a sound no longer than this the agent goes on without waiting for the core. */
          shortSoundMs: z.number().int().min(0).max(2_000).default(400),
          /** Once so much quiet has followed it; null waits for the core in any case. */
          resumeAfterMs: z.number().int().min(40).max(2_000).nullable().default(200),
          /** A core that says nothing for longer than this and the round trip to it: the agent goes on. */
          answerTimeoutMs: z.number().int().min(200).max(5_000).default(1_000),
          /** So many sounds in a row that were no interruption raise what counts as loud. */
          rejectsToRaise: z.number().int().min(1).max(100).default(2),
        })
        .prefault({}),
    })
    .prefault({}),
  core: z
    .strictObject({
      workers: z.number().int().min(1).max(64).default(1),
      /** Where the control channel listens. 0 picks a free port. */
      controlHost: z.string().min(1).default('127.0.0.1'),
      controlPort: port.default(0),
      agentsDir: z.string().min(1).default('agents'),
      /** How long the ear waits for a missing packet when later ones are there. */
      reorderWaitMs: z.number().int().min(0).max(500).default(40),
      /** A session whose POP is lost waits so long for its caller to come back by another one, or for that POP. */
      popGraceMs: z.number().int().min(0).max(600_000).default(30_000),
      /** Sessions that it takes: `auto` goes by how late it is, a number by nothing. At most limits.maxSessions. */
      capacity: z
        .preprocess(
          // The environment has texts only.
          (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
          z.union(
            [z.literal('auto'), z.number().int().min(1).max(100_000)],
            'must be auto, or a number of 1 to 100000',
          ),
        )
        .default('auto'),
      admission: z
        .strictObject({
          /** So many are taken however late it is; `auto` only, like the two targets. */
          minSessions: z.number().int().min(1).max(100_000).default(8),
          /** Its 20 ms ticker later than this at p99 of a second: strained, no new sessions. */
          latenessTargetMs: z.number().min(1).max(100).default(10),
          /** Its event loop, or its CPUs, busier than this: strained. */
          utilizationTarget: z.number().min(0.1).max(1).default(0.85),
          /** Share of its sessions that is kept for those of high priority. */
          reservedShare: z.number().min(0).max(0.9).default(0),
        })
        .prefault({}),
    })
    .prefault({}),
  backbone: backboneChoice.prefault({}),
  services: z
    .strictObject({
      /**
       * Ordered: the first is used, the others take over when it fails. Empty: OpenAI, by `openai` below, when there
       * is a key for it or an address of a server of one's own.
       */
      ...serviceChoices,
      /** Whether a second service is asked as well while the first has given nothing. */
      hedge: hedgeChoice,
      openai: z
        .strictObject({
          /** From OPENAI_API_KEY only; never written to a file by us. */
          apiKey: z.string().min(1).nullable().default(null),
          baseUrl: z.url().default('https://api.openai.com/v1'),
          sttModel: z.string().min(1).default('gpt-4o-mini-transcribe'),
          llmModel: z.string().min(1).default('gpt-4.1-mini'),
          ttsModel: z.string().min(1).default('gpt-4o-mini-tts'),
          ttsVoice: z.string().min(1).default('alloy'),
          timeoutMs: z.number().int().min(500).max(120_000).default(15_000),
        })
        .prefault({}),
      flite: z.strictObject({ command: z.string().min(1).default('flite'), voice: name.default('slt') }).prefault({}),
      pocketsphinx: z
        .strictObject({
          command: z.string().min(1).default('pocketsphinx_continuous'),
          modelDir: z.string().min(1).default('/usr/share/pocketsphinx/model/en-us'),
        })
        .prefault({}),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
      /** Lines for people instead of JSON; null decides by whether the output is a terminal. */
      pretty: z.boolean().nullable().default(null),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      /** Base URL of an OTLP/HTTP collector, such as http://localhost:4318; null sends no traces. */
      otlpEndpoint: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      /** Full URL for traces, when it is not otlpEndpoint with /v1/traces behind it. */
      otlpTracesEndpoint: z
        .url({ protocol: /^https?$/ })
        .nullable()
        .default(null),
      serviceName: z.string().min(1).max(64).default('antipode'),
    })
    .prefault({}),
  placement: z
    .strictObject({
      /** YAML file of placement's policy, read again whenever it changes; null holds its defaults. */
      policyFile: z.string().min(1).nullable().default(null),
      /** A slot that POST /v1/placements reserved is kept for this long. */
      reservationSeconds: z.number().int().min(1).max(600).default(30),
    })
    .prefault({}),
  residency: z
    .strictObject({
      /**
       * The regions in which this node keeps what it writes down of sessions; null: its own, for what stays on this
       * machine. A collector of traces elsewhere must be named, or no pinned session may be traced.
       */
      stores: z
        .strictObject({
          registry: name.nullable().default(null),
          logs: name.nullable().default(null),
          recordings: name.nullable().default(null),
          traces: name.nullable().default(null),
        })
        .prefault({}),
    })
    .prefault({}),
  registry: registryChoice,
  /** Keys, certificates and secrets that this node makes for itself. */
  stateDir: z.string().min(1).default('.antipode'),
});

export type Config = Readonly<z.infer<typeof configSchema>>;

/** Environment variable -> path in the configuration. The environment wins over the file. */
export const ENVIRONMENT = {
  PORT: 'http.port',
  HOST: 'http.host',
  ANTIPODE_PUBLIC_URL: 'http.publicUrl',
  ANTIPODE_NODE_ID: 'node.id',
  ANTIPODE_REGION: 'node.region',
  ANTIPODE_API_KEYS: 'auth.apiKeys',
  ANTIPODE_TOKEN_SECRET: 'auth.tokenSecret',
  ANTIPODE_OPEN_AGENTS: 'auth.openAgents',
  ANTIPODE_MAX_SESSIONS: 'limits.maxSessions',
  ANTIPODE_MEDIA_PORT: 'edge.mediaPort',
  ANTIPODE_LISTEN_IP: 'edge.listenIp',
  ANTIPODE_ANNOUNCED_ADDRESS: 'edge.announcedAddress',
  ANTIPODE_CONTROL_HOST: 'core.controlHost',
  ANTIPODE_CONTROL_PORT: 'core.controlPort',
  ANTIPODE_CORE_CAPACITY: 'core.capacity',
  ANTIPODE_BACKBONE_LISTEN_IP: 'backbone.listenIp',
  ANTIPODE_BACKBONE_ANNOUNCED_ADDRESS: 'backbone.announcedAddress',
  ANTIPODE_DRAIN_TIMEOUT_MS: 'limits.drainTimeoutMs',
  ANTIPODE_PLACEMENT_POLICY: 'placement.policyFile',
  ANTIPODE_REGISTRY: 'registry.kind',
  ANTIPODE_REDIS_URL: 'registry.url',
  ANTIPODE_REDIS_SENTINELS: 'registry.sentinels',
  ANTIPODE_REDIS_CLUSTER: 'registry.cluster',
  ANTIPODE_REDIS_USERNAME: 'registry.username',
  ANTIPODE_REDIS_PASSWORD: 'registry.password',
  ANTIPODE_REDIS_PASSWORD_FILE: 'registry.passwordFile',
  ANTIPODE_REDIS_SENTINEL_PASSWORD: 'registry.sentinelPassword',
  ANTIPODE_REGISTRY_ZONE: 'registry.zone',
  ANTIPODE_STATE_DIR: 'stateDir',
  ANTIPODE_LOG_LEVEL: 'log.level',
  ANTIPODE_LOG_PRETTY: 'log.pretty',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'telemetry.otlpEndpoint',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'telemetry.otlpTracesEndpoint',
  OTEL_SERVICE_NAME: 'telemetry.serviceName',
  ANTIPODE_STT: 'services.stt',
  ANTIPODE_LLM: 'services.llm',
  ANTIPODE_TTS: 'services.tts',
  ANTIPODE_S2S: 'services.s2s',
  ANTIPODE_LLM_HEDGE_MS: 'services.hedge.llm.afterMs',
  ANTIPODE_TTS_HEDGE_MS: 'services.hedge.tts.afterMs',
  OPENAI_API_KEY: 'services.openai.apiKey',
  OPENAI_BASE_URL: 'services.openai.baseUrl',
} as const satisfies Record<string, string>;
