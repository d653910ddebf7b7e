/** An agent on the product's usual chain and the services that the core is configured with, hedged as a call asks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cascade, cascadeLegs, defineAgent } from '../../src/agent/index.ts';
import { findSmartTurnWeights } from '../../src/agent/turn-taking/smart-turn/weights.ts';
import type { CascadedMetadata } from '../nodes/cascaded-metadata.ts';

export default defineAgent({
  name: 'cascaded',
  title: 'Cascaded',
  description: 'The usual chain with the configured services.',
  examples: [],
  legs: cascadeLegs,
  /** Waits for the node's turn model, so that every call has it or none. */
  async prepare(services, signal) {
    if ('missing' in (await findSmartTurnWeights())) return;
    while (services.smartTurn === null) await sleep(20, undefined, { signal });
  },
  pipeline(call, services) {
    const { instructions, speculates, llmAfterMs } = call.metadata as unknown as CascadedMetadata;
    return cascade({
      call,
      services,
      instructions,
      greeting: '',
      // A question whose words were lost is one without an answer, not one that was answered at once.
      notUnderstood: '',
      turns: { speculates },
      hedge: { llmAfterMs },
      // Many short turns are no long conversation.
      context: null,
    });
  },
});
