/**
 * Every setting of every role, with its default and its bounds: the one zod schema that antipode.yaml and the
 * environment are read through. Unknown keys are refused. Where a value may come from the environment, ENVIRONMENT
 * names the variable.
 */
import { z } from 'zod';
import { serviceChoices } from './service-choice.ts';

const port = z.number().int().min(0).max(65_535);
const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9][a-z0-9._-]*$/i, 'letters, digits, dot, dash and underscore only');
const ip = z.union([z.ipv4(), z.ipv6()]);

export const configSchema = z.strictObject({
  node: z
    .strictObject({
      /** Prefix of this process's node ids. */
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
      apiKeys: z.array(z.string().min(16).max(256)).max(100).default([]),
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
      maxSocketsPerAddress: z.number().int().min(1).max(1_000_000).default(256),
      /** A WebSocket that did not join by then is closed. */
      joinTimeoutMs: z.number().int().min(100).max(60_000).default(5_000),
      maxMessageBytes: z.number().int().min(1_024).max(1_048_576).default(65_536),
      messagesPerSecond: z.number().int().min(1).max(10_000).default(50),
      /** A dropped signaling socket may come back within this time. */
      resumeWindowMs: z.number().int().min(0).max(600_000).default(30_000),
      /** A caller whose media did not connect by then is ended. */
      mediaConnectTimeoutMs: z.number().int().min(1_000).max(120_000).default(20_000),
      maxSessionSeconds: z.number().int().min(10).max(86_400).default(3_600),
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
    })
    .prefault({}),
  backbone: z
    .strictObject({
      listenIp: ip.default('127.0.0.1'),
      announcedAddress: z.string().min(1).nullable().default(null),
      requestTimeoutMs: z.number().int().min(100).max(60_000).default(5_000),
    })
    .prefault({}),
  services: z
    .strictObject({
      /**
       * Ordered: the first is used, the others take over when it fails. Empty: OpenAI, by `openai` below, when there
       * is a key for it or an address of a server of one's own.
       */
      ...serviceChoices,
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
  ANTIPODE_PLACEMENT_POLICY: 'placement.policyFile',
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
  OPENAI_API_KEY: 'services.openai.apiKey',
  OPENAI_BASE_URL: 'services.openai.baseUrl',
} as const satisfies Record<string, string>;
