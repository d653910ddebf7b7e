import { describe, expect, test } from 'vitest';
import type { AgentServices } from '../../src/agent/agent-services.ts';
import { type AgentDefinition, checkAgentDefinition, describeAgent } from '../../src/agent/define-agent.ts';
import { agentDescriptionSchema } from '../../src/registry/index.ts';

const services = {} as AgentServices;
const definition = (more: object = {}): AgentDefinition =>
  checkAgentDefinition({
    name: 'desk',
    title: 'Desk',
    description: 'A desk.',
    examples: [],
    legs: () => [{ kind: 'llm', service: 'openai', k: 4, local: false }],
    pipeline: () => ({ stages: [] }),
    ...more,
  });

describe('an agent as the registry sees it', () => {
  test('tells the legs of a turn and its own pin, which placement goes by', () => {
    const description = describeAgent(definition({ residency: 'eu' }), services);
    expect(description).toMatchObject({
      legs: [{ kind: 'llm', service: 'openai', k: 4, local: false }],
      residency: 'eu',
    });
    expect(agentDescriptionSchema.parse(JSON.parse(JSON.stringify(description)))).toEqual(description);
  });

  test('has no pin when its module names none', () => {
    expect(describeAgent(definition(), services).residency).toBeUndefined();
  });

  test.each(['', 'e u', 'eu,', 'eu & de', 5])('is refused with the pin %j', (residency) => {
    expect(() => definition({ residency })).toThrowError(/^residency: /);
  });
});
