/**
 * Where an operator's command looks: the registry that the configuration names, or a node by its URL. Owns the choice,
 * the requests and the words when nobody answers.
 */
import type { z } from 'zod';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import { AntipodeError, ERROR_CODES, type ErrorCode } from '../errors.ts';
import { openRegistry, type Registry } from '../registry/index.ts';
import { createMetrics, silentLogger } from '../telemetry/index.ts';

export interface OperatorOptions {
  config: Config;
  clock: Clock;
  /** A node to ask instead of the registry. */
  url?: string | undefined;
  /** API key for the node. @defaultValue the first of auth.apiKeys */
  key?: string | undefined;
}

const DEFAULT_URL = 'http://localhost:8080';
const TIMEOUT_MS = 10_000;

/** A node's URL, or null where the registry is to be read. @throws ERR_REQUEST_MALFORMED */
export function nodeUrlOf({ config, url }: Pick<OperatorOptions, 'config' | 'url'>): string | null {
  if (url === undefined) return config.registry.kind === 'memory' ? DEFAULT_URL : null;
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new AntipodeError('ERR_REQUEST_MALFORMED', '--url must be a URL such as http://10.0.0.5:8080.', {
    path: 'url',
  });
}

/** @throws as openRegistry, with what else may be done */
export async function registryOf({ config, clock }: OperatorOptions): Promise<Registry> {
  try {
    const metrics = createMetrics({ processMetrics: false });
    return await openRegistry({ config, clock, log: silentLogger, metrics });
  } catch (error) {
    if (!(error instanceof AntipodeError) || error.code !== 'ERR_REGISTRY_UNAVAILABLE') throw error;
    const words = `${error.message} Calls go on without it; a node tells by --url what it last knew.`;
    throw new AntipodeError(error.code, words, { cause: error });
  }
}

export interface NodeRequest<T> {
  base: string;
  path: string;
  key: string | undefined;
  schema: z.ZodType<T>;
  method?: string;
  body?: unknown;
  /** @defaultValue 10000 */
  timeoutMs?: number;
}

/**
 * @throws ERR_SERVICE_UNAVAILABLE when nobody answers, the node's own refusal, ERR_SERVICE_FAILED for an answer that
 * can't be read or sends us to another node
 */
export async function askNode<T>(ask: NodeRequest<T>): Promise<T> {
  const { base, path, key, schema, method = 'GET', body, timeoutMs = TIMEOUT_MS } = ask;
  const url = new URL(path, base);
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(key && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A key does not follow to another origin.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    const words = `No server answers at ${url.origin}. Start one, or name it by --url.`;
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', words, { cause });
  }
  const text = await response.text();
  const elsewhere = response.headers.get('location');
  if (response.status === 307 && elsewhere !== null) {
    const words = `${url.origin} says that ${new URL(elsewhere, url).origin} is to be asked: name it by --url.`;
    throw new AntipodeError('ERR_SERVICE_FAILED', words);
  }
  if (!response.ok) throw refusalOf(response.status, text, url);
  const answer = schema.safeParse(jsonOf(text));
  if (answer.success) return answer.data;
  const [issue] = answer.error.issues;
  const words = `${url.href} answers what this version can't read: ${issue?.path.join('.')}: ${issue?.message}`;
  throw new AntipodeError('ERR_SERVICE_FAILED', words);
}

/** The first key of the configuration, unless one is named. */
export function keyOf({ config, key }: Pick<OperatorOptions, 'config' | 'key'>): string | undefined {
  return key ?? config.auth.apiKeys[0]?.key;
}

function refusalOf(status: number, text: string, url: URL): AntipodeError {
  const { error } = (jsonOf(text) ?? {}) as { error?: { code?: unknown; message?: unknown } };
  if (typeof error?.code === 'string' && error.code in ERROR_CODES && typeof error.message === 'string') {
    return new AntipodeError(error.code as ErrorCode, error.message);
  }
  return new AntipodeError('ERR_SERVICE_FAILED', `${url.href} answers ${status}: ${text.slice(0, 300)}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
