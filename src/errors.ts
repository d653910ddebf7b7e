/**
 * The one error class of the product and the list of its stable codes. A code is API: clients, dashboards and
 * runbooks match on it, so codes are added and never renamed. Owns no behavior beyond turning an error into its
 * wire shape.
 */

/** Every code with the HTTP status that it maps to and whether the same request may succeed later. */
export const ERROR_CODES = {
  ERR_CONFIG_INVALID: { status: 500, retryable: false },
  ERR_PORT_IN_USE: { status: 500, retryable: false },
  ERR_STATE_DIR: { status: 500, retryable: false },

  ERR_REQUEST_MALFORMED: { status: 400, retryable: false },
  ERR_REQUEST_TOO_LARGE: { status: 413, retryable: false },
  ERR_NOT_FOUND: { status: 404, retryable: false },
  ERR_METHOD_NOT_ALLOWED: { status: 405, retryable: false },
  ERR_UNAUTHORIZED: { status: 401, retryable: false },
  ERR_FORBIDDEN: { status: 403, retryable: false },
  ERR_RATE_LIMITED: { status: 429, retryable: true },
  ERR_INTERNAL: { status: 500, retryable: true },

  ERR_TOKEN_INVALID: { status: 401, retryable: false },
  ERR_TOKEN_EXPIRED: { status: 401, retryable: false },
  ERR_TOKEN_REPLAYED: { status: 401, retryable: false },

  ERR_AGENT_UNKNOWN: { status: 404, retryable: false },
  ERR_AGENT_INVALID: { status: 500, retryable: false },
  ERR_AGENT_FAILED: { status: 500, retryable: false },
  ERR_SESSION_UNKNOWN: { status: 404, retryable: false },
  ERR_SESSION_ENDED: { status: 410, retryable: false },
  ERR_SESSION_LIMIT: { status: 503, retryable: true },
  ERR_SHUTTING_DOWN: { status: 503, retryable: true },

  ERR_ROOM_AGENT: { status: 409, retryable: false },
  ERR_ROOM_RESIDENCY: { status: 409, retryable: false },
  ERR_ROOM_FULL: { status: 409, retryable: true },

  ERR_PROTOCOL_MALFORMED: { status: 400, retryable: false },
  ERR_PROTOCOL_METHOD: { status: 400, retryable: false },
  ERR_PROTOCOL_ORDER: { status: 409, retryable: false },
  ERR_PROTOCOL_VERSION: { status: 400, retryable: false },
  ERR_PROTOCOL_FLOOD: { status: 429, retryable: true },
  ERR_PROTOCOL_JOIN_TIMEOUT: { status: 408, retryable: true },
  ERR_SUPERSEDED: { status: 409, retryable: false },

  ERR_MEDIA_PARAMETERS: { status: 400, retryable: false },
  ERR_MEDIA_STATE: { status: 409, retryable: false },
  ERR_MEDIA_CONNECT_TIMEOUT: { status: 408, retryable: true },
  ERR_MEDIA_WORKER_DIED: { status: 503, retryable: true },
  ERR_MEDIA_WORKER_MISSING: { status: 500, retryable: false },

  ERR_BACKBONE_CLOSED: { status: 503, retryable: true },
  ERR_BACKBONE_TIMEOUT: { status: 504, retryable: true },
  ERR_BACKBONE_PROTOCOL: { status: 500, retryable: false },
  ERR_BACKBONE_VERSION: { status: 500, retryable: false },
  ERR_BACKBONE_EPOCH: { status: 409, retryable: false },

  ERR_REGISTRY_CONFLICT: { status: 409, retryable: true },
  ERR_REGISTRY_UNAVAILABLE: { status: 503, retryable: true },
  ERR_REGISTRY_REFUSED: { status: 500, retryable: false },
  ERR_REGISTRY_UNSUPPORTED: { status: 500, retryable: false },
  ERR_REGISTRY_ZONE: { status: 403, retryable: false },
  ERR_PLACEMENT_NO_CORE: { status: 503, retryable: true },
  ERR_PLACEMENT_RESIDENCY: { status: 403, retryable: false },
  ERR_HANDOVER_REFUSED: { status: 409, retryable: true },
  ERR_EGRESS_FORBIDDEN: { status: 403, retryable: false },

  ERR_SERVICE_UNAVAILABLE: { status: 503, retryable: true },
  ERR_SERVICE_FAILED: { status: 502, retryable: true },
  ERR_SERVICE_TIMEOUT: { status: 504, retryable: true },

  ERR_CALL_FAILED: { status: 500, retryable: true },
  ERR_CALL_NO_ANSWER: { status: 504, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** What leaves the process of an error: nothing but these four fields. */
export interface WireError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  /** Where in the input the trouble is, such as `data.rtpParameters.encodings`. */
  path?: string;
}

export interface AntipodeErrorOptions {
  cause?: unknown;
  path?: string;
}

/** An error that a caller of the product can act on: `code` is stable, `message` is for people. */
export class AntipodeError extends Error {
  override readonly name = 'AntipodeError';
  readonly code: ErrorCode;
  readonly path: string | undefined;

  constructor(code: ErrorCode, message: string, options: AntipodeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options.path;
  }

  /** HTTP status that fits the code. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  /** Whether the same request may succeed later without a change. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  toWire(): WireError {
    const wire: WireError = { code: this.code, message: this.message, retryable: this.retryable };
    if (this.path !== undefined) wire.path = this.path;
    return wire;
  }
}

/** `error` as it is when it is ours, else an ERR_INTERNAL that keeps it as `cause` and tells the outside nothing. */
export function asAntipodeError(error: unknown, code: ErrorCode = 'ERR_INTERNAL', message?: string): AntipodeError {
  if (error instanceof AntipodeError) return error;
  return new AntipodeError(code, message ?? 'Something went wrong on our side.', { cause: error });
}
