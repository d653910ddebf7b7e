/**
 * An agent on the product's usual chain whose turns ask the model k times: all but the last call a tool, which answers at
 * once and changes nothing. Turns end by silence, the default where no turn model is loaded.
 */
import { z } from 'zod';
import { cascade, cascadeLegs, defineAgent, silence, type Tool } from '../../src/agent/index.ts';
import type { LookerMetadata } from '../nodes/looker-metadata.ts';
import { LOOK_UP, lookUpInstructions } from '../service-fakes/look-ups.ts';

const lookUp: Tool = {
  name: LOOK_UP,
  description: 'Looks something up.',
  idempotent: true,
  parameters: z.object({}),
  run: () => 'Found.',
};

export default defineAgent({
  name: 'looker',
  title: 'Looker',
  description: 'Asks its model so often as the call says.',
  examples: [],
  legs: cascadeLegs,
  pipeline(call, services) {
    const { k, speculates } = call.metadata as unknown as LookerMetadata;
    return cascade({
      call,
      services,
      instructions: lookUpInstructions(k),
      greeting: '',
      tools: [lookUp],
      turns: { speculates, endOfTurn: silence() },
      // Many short turns are no long conversation.
      context: null,
    });
  },
});
