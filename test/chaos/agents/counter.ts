/**
 * The agent of chaos runs: the product's usual chain with the configured services, a tool that tells a ledger of each of
 * its runs, and voice activity by loudness, since tones are no voices. Which call it is stands in the metadata.
 */
import { z } from 'zod';
import { cascade, cascadeLegs, defineAgent, silence, type Tool } from '../../../src/agent/index.ts';
import { instructionsOf, NOTE_TOOL } from '../services/brain.ts';
import { loudnessActivity } from '../words/loudness-activity.ts';

const metadataSchema = z.object({ call: z.number().int() });

/** Not idempotent: it must never run twice for one key. */
const note: Tool = {
  name: NOTE_TOOL,
  description: 'Write down that a turn was reached.',
  parameters: z.object({ call: z.number(), key: z.number() }),
  async run(input) {
    const response = await fetch(`${process.env.CHAOS_LEDGER_URL}/runs`, {
      method: 'POST',
      body: JSON.stringify(input),
    });
    return response.text();
  },
};

export default defineAgent({
  name: 'counter',
  title: 'Counter',
  description: 'Counts on, whatever happens.',
  examples: [],
  legs: cascadeLegs,
  pipeline(call, services) {
    const { call: number } = metadataSchema.parse(call.metadata);
    return cascade({
      call,
      services: { ...services, vad: loudnessActivity },
      instructions: instructionsOf(number),
      greeting: '',
      tools: [note],
      // Idle words would be words that nobody counts on, and a context that is cut could not be counted.
      turns: { idle: null, endOfTurn: silence() },
      context: null,
    });
  },
});
