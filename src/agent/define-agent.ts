/**
 * What an agent module exports. The shape is checked when the module is loaded, since a module may be written without
 * types; what its pipeline does is its own.
 */
import { z } from 'zod';
import { AntipodeError } from '../errors.ts';
import { type AgentDescription, agentDescriptionSchema } from '../registry/index.ts';
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
  /** Where its calls may touch data, such as `eu` or `de,fr`; holds beside the pins of policy and request. */
  readonly residency?: string;
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
  residency: agentDescriptionSchema.shape.residency,
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
 * A module's default export as a definition, whose pipeline is checked too when it is made.
 * @throws ERR_AGENT_INVALID with what is wrong
 */
export function checkAgentDefinition(exported: unknown): AgentDefinition {
  const result = definitionSchema.safeParse(exported);
  if (!result.success) throw invalid(result.error, exported === undefined ? 'there is no default export' : null);
  const definition = exported as AgentDefinition;
  const { name, title, description, examples, residency } = definition;
  return {
    ...{ name, title, description, examples, ...(residency !== undefined && { residency }) },
    legs: (services) => definition.legs(services),
    notices: (services) => definition.notices?.(services) ?? [],
    prepare: async (services, signal) => definition.prepare?.(services, signal),
    pipeline: (call, services) => checkPipeline(definition.pipeline(call, services)),
  };
}

function checkPipeline(pipeline: Chain | Stage): Chain | Stage {
  if (isPart(pipeline)) return pipeline;
  const isObject = typeof pipeline === 'object' && pipeline !== null;
  const given = pipeline instanceof Promise ? 'a promise' : isObject ? 'something in it is none' : `${pipeline}`;
  throw new AntipodeError('ERR_AGENT_FAILED', `The agent's pipeline is no chain of stages: ${given}.`);
}

function isPart(part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return false;
  if ('stages' in part) return Array.isArray(part.stages) && part.stages.every(isPart);
  if ('branches' in part) return Array.isArray(part.branches) && part.branches.every(isPart);
  return 'process' in part && isFunction(part.process) && 'close' in part && isFunction(part.close);
}

const legsSchema = z.array(
  z.object({
    kind: z.enum(['stt', 'llm', 'tts', 's2s', 'tool']),
    service: z.string().min(1),
    k: z.number().nonnegative(),
    measured: z.boolean().optional(),
    local: z.boolean(),
  }),
);

/**
 * A definition as the registry and the page see it, here and now. What it says of itself is checked, for a wrong word of
 * one agent must not make the node's record unreadable.
 * @throws ERR_AGENT_INVALID with what is wrong; whatever the agent's own functions throw
 */
export function describeAgent(definition: AgentDefinition, services: AgentServices): AgentDescription {
  const { name, title, description, examples } = definition;
  const legs = legsSchema.safeParse(definition.legs(services));
  if (!legs.success) throw invalid(legs.error, null, 'legs');
  const notices = definition.notices?.(services) ?? [];
  const told = { name, title, description, examples, notices, legs: legs.data, residency: definition.residency };
  const read = agentDescriptionSchema.safeParse(told);
  if (!read.success) throw invalid(read.error);
  return read.data;
}

function invalid({ issues }: z.ZodError, words: string | null = null, prefix = ''): AntipodeError {
  const issue = issues[0]!;
  const path = [...(prefix === '' ? [] : [prefix]), ...issue.path].join('.') || 'default export';
  return new AntipodeError('ERR_AGENT_INVALID', `${path}: ${words ?? issue.message}`, { path });
}
