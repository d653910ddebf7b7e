/**
 * What an agent module exports. The shape is checked when the module is loaded, since a module may be written without
 * types; what its pipeline does is its own.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import type { AgentDescription } from '../registry/index.ts';
import type { AgentServices } from './agent-services.ts';
import type { Chain, Stage } from './stage.ts';
import type { AgentCall, Leg } from './types.ts';

export type AgentNotice = AgentDescription['notices'][number];

export interface AgentDefinition {
  /** How callers ask for it: lower case letters, digits and dashes. */
  readonly name: string;
  readonly title: string;
  /** What it does, for people. */
  readonly description: string;
  /** What a caller may try to say. */
  readonly examples: readonly string[];
  /** The AI services that a turn goes through, here and now; placement reads them. */
  legs(services: AgentServices): readonly Leg[];
  /** Honest words about what it understands and what it lacks here. */
  notices?(services: AgentServices): readonly AgentNotice[];
  /** Make ready what calls will need (voices, grammars). Runs once, in the background; a failure is only logged. */
  prepare?(services: AgentServices, signal: AbortSignal): Promise<void>;
  /** The stages of one call, new ones each time. A throw ends the call with its words. */
  pipeline(call: AgentCall, services: AgentServices): Chain | Stage;
}

const isFunction = (value: unknown) => typeof value === 'function';
const aFunction = z.custom<(...parameters: never[]) => unknown>(isFunction, 'must be a function');

const definitionSchema = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower case letters, digits and dashes only'),
  title: z.string().min(1).max(200),
  description: z.string().min(1).max(2_000),
  examples: z.array(z.string().min(1).max(300)).max(50),
  legs: aFunction,
  notices: aFunction.optional(),
  prepare: aFunction.optional(),
  pipeline: aFunction,
});

/**
 * Declare an agent; the default export of its module.
 *
 * @example
 * ```ts
 * export default defineAgent({
 *   name: 'echo',
 *   title: 'Echo',
 *   description: 'Says back what it hears.',
 *   examples: [],
 *   legs: () => [],
 *   pipeline: (call) => chain(echo(call.mouth)),
 * });
 * ```
 */
export function defineAgent(definition: AgentDefinition): AgentDefinition {
  return definition;
}

/**
 * A module's default export as a definition.
 * @throws ERR_AGENT_INVALID with what is wrong
 */
export function checkAgentDefinition(exported: unknown): AgentDefinition {
  const result = definitionSchema.safeParse(exported);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const where = issue.path.join('.') || 'default export';
    throw new AntipodeError('ERR_AGENT_INVALID', `${where}: ${issue.message}`, { path: where });
  }
  return exported as AgentDefinition;
}
