/**
 * `antipode move SESSION`: has a living session go to another core. Owns finding its POP and the words; the POP does it, for
 * holders of an API key.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import type { Terminal } from './live-screen.ts';
import { askNode, keyOf, nodeUrlOf, type OperatorOptions, registryOf } from './operator-source.ts';

export interface MoveCommandOptions extends OperatorOptions {
  sessionId: string;
  /** Node id of the core; absent: the best other one. */
  to?: string;
  /** A pause between turns is waited for so long. @defaultValue as the POP has it */
  withinMs?: number;
  json?: boolean;
  out: Terminal;
  /** Base URL of a POP by what it announces. */
  popBaseUrl(signalingUrl: string | null): string | null;
}

const movedSchema = z.object({
  from: z.string(),
  to: z.string(),
  epoch: z.number().int(),
  gapMs: z.number(),
  atTurnBoundary: z.boolean(),
});

/** Longer than a POP waits for a pause and for cores. */
const TIMEOUT_MS = 60_000;

/**
 * @throws ERR_HANDOVER_REFUSED, ERR_PLACEMENT_NO_CORE and what else the POP refuses with; ERR_SESSION_UNKNOWN,
 * ERR_SESSION_ENDED, ERR_UNAUTHORIZED, ERR_REGISTRY_*, ERR_SERVICE_*
 */
export async function moveCommand(options: MoveCommandOptions): Promise<void> {
  const { sessionId, to, withinMs, json, out } = options;
  const key = keyOf(options);
  if (key === undefined) {
    throw new AntipodeError('ERR_UNAUTHORIZED', 'Moving a session needs an API key: --key, or ANTIPODE_API_KEYS.');
  }
  const base = nodeUrlOf(options) ?? (await popOf(options));
  const moved = await askNode({
    ...{ base, key, schema: movedSchema, method: 'POST', timeoutMs: TIMEOUT_MS },
    path: `/v1/sessions/${encodeURIComponent(sessionId)}/move`,
    body: { ...(to !== undefined && { core: to }), ...(withinMs !== undefined && { withinMs }) },
  });
  if (json) {
    out.write(`${JSON.stringify(moved, null, 2)}\n`);
    return;
  }
  const where = moved.atTurnBoundary ? 'between turns' : 'in the middle of a turn';
  out.write(`${sessionId} went from ${moved.from} to ${moved.to}, ${where}; it was deaf for ${moved.gapMs} ms.\n`);
}

/** URL of the POP that has the session. */
async function popOf(options: MoveCommandOptions): Promise<string> {
  const { sessionId, popBaseUrl } = options;
  await using registry = await registryOf(options);
  const session = await registry.session(sessionId);
  if (session === null) throw new AntipodeError('ERR_SESSION_UNKNOWN', `No session ${sessionId}.`);
  if (session.state === 'ended') {
    throw new AntipodeError('ERR_SESSION_ENDED', `The session has ended (${session.end?.code ?? 'no reason'}).`);
  }
  const pop = (await registry.nodes()).find(({ nodeId }) => nodeId === session.pop);
  const base = popBaseUrl(pop?.signalingUrl ?? null);
  if (base !== null) return base;
  throw new AntipodeError('ERR_SESSION_UNKNOWN', `The session's POP, ${session.pop}, is not there.`);
}
