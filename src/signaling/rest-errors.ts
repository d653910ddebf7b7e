/**
 * The one shape in which REST refuses: `{error: {code, message, retryable, path?}}`, with the status of the code.
 * Turns what body parsing and validation throw into our codes; what is not ours becomes ERR_INTERNAL and is logged.
 */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { Logger } from '../telemetry/index.ts';
import { MAX_JSON_DEPTH } from './json-text.ts';
import type { AnotherPop } from './pop-choice.ts';

/** Seconds after which a client may try again when nothing says it better. */
const RETRY_AFTER_SECONDS = 5;

/** Beside a refusal with 503, where somebody else may say yes: `response.locals` carries it to `sendError`. */
export interface RefusalLocals {
  elsewhere?: AnotherPop;
}

export function sendError(response: Response, error: AntipodeError): void {
  if ((error.status === 503 || error.status === 429) && !response.hasHeader('Retry-After')) {
    response.set('Retry-After', String(RETRY_AFTER_SECONDS));
  }
  if (error.status === 401) response.set('WWW-Authenticate', 'Bearer');
  const { elsewhere } = response.locals as RefusalLocals;
  response
    .status(error.status)
    .set('Cache-Control', 'no-store')
    .json({ error: error.toWire(), ...(error.status === 503 && elsewhere && { elsewhere }) });
}

export function errorHandler(log: Logger): ErrorRequestHandler {
  return (cause, request, response, next) => {
    if (response.headersSent) {
      next(cause);
      return;
    }
    const error = restError(cause);
    const line = { code: error.code, method: request.method, route: request.path };
    if (error.status >= 500 && error.code === 'ERR_INTERNAL') log.error({ ...line, err: cause }, 'request failed');
    else log.debug(line, 'request refused');
    sendError(response, error);
  };
}

export const notFound: RequestHandler = (request) => {
  throw new AntipodeError('ERR_NOT_FOUND', `Nothing is at ${request.path.slice(0, 200)}.`);
};

/** For a path that exists, under methods that it does not have. */
export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (request: Request, response: Response) => {
    response.set('Allow', allowed.join(', '));
    throw new AntipodeError(
      'ERR_METHOD_NOT_ALLOWED',
      `${request.method} is not possible here: ${allowed.join(' or ')} is.`,
    );
  };
}

/** `value` as the schema has it. @throws ERR_REQUEST_MALFORMED with the path of the first fault */
export function validBody<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const keys = issue?.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] as string] : (issue?.path ?? []);
  const path = keys.join('.');
  throw new AntipodeError('ERR_REQUEST_MALFORMED', `${path || 'body'}: ${issue?.message ?? 'is not valid'}`, { path });
}

/** Thrown by body-parser's `verify`, which decorates its errors with a status: ours must not reach it. */
export class JsonTooDeep extends Error {
  readonly type = 'entity.too.deep';
}

/** What a route or a body parser threw as the error that is told: parsers' by the `type` that they document. */
export function restError(cause: unknown): AntipodeError {
  if (cause instanceof AntipodeError) return cause;
  const { type, status } = (cause ?? {}) as { type?: unknown; status?: unknown };
  if (type === 'entity.too.deep') {
    return new AntipodeError('ERR_REQUEST_MALFORMED', `The body nests deeper than ${MAX_JSON_DEPTH} levels.`);
  }
  if (type === 'entity.too.large') {
    return new AntipodeError('ERR_REQUEST_TOO_LARGE', 'The body is too long.', { cause });
  }
  if (type === 'entity.parse.failed') {
    return new AntipodeError('ERR_REQUEST_MALFORMED', 'The body is not JSON.', { cause });
  }
  if (cause instanceof URIError || (typeof status === 'number' && status >= 400 && status < 500)) {
    return new AntipodeError('ERR_REQUEST_MALFORMED', 'The request can not be read.', { cause });
  }
  return asAntipodeError(cause);
}
