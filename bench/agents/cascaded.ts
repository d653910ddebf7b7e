/** An agent on the product's usual chain and the services that the core is configured with. */
import {
  cascade,
  cascadeLegs,
  defineAgent,
  firstOf,
  SMART_END_DEFAULTS,
  silence,
  smartEnd,
} from '../../src/agent/index.ts';
import type { CascadedMetadata } from '../nodes/cascaded-metadata.ts';

/** Silence that ends a turn that the turn model finds unfinished; it is the model's to end the others. */
const UNFINISHED_MS = SMART_END_DEFAULTS.unfinishedMs;

export default defineAgent({
  name: 'cascaded',
  title: 'Cascaded',
  description: 'The usual chain with the configured services.',
  examples: [],
  legs: cascadeLegs,
  pipeline(call, services) {
    const { speculates, probableMs } = call.metadata as unknown as CascadedMetadata;
    const { smartTurn: model } = services;
    const early = probableMs === null ? null : silence({ probableMs, endMs: UNFINISHED_MS });
    const judges = early && (model ? firstOf(early, smartEnd({ model, log: call.log })) : silence({ probableMs }));
    return cascade({
      call,
      services,
      instructions: 'You tell the time.',
      greeting: '',
      turns: { speculates, ...(judges && { endOfTurn: judges }) },
      // Many short turns are no long conversation.
      context: null,
    });
  },
});
