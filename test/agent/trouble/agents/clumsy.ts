/**
 * An agent made with `cascade` that each test sets as it needs it: what is in the call's metadata as `cascade` goes into
 * the options. Only tests can do so, for a session's metadata is JSON.
 */
import { type CascadeOptions, cascade, cascadeLegs, cascadeNotices, defineAgent } from '../../../../src/agent/index.ts';

export default defineAgent({
  name: 'clumsy',
  title: 'Clumsy',
  description: 'Gets into trouble.',
  examples: [],
  legs: cascadeLegs,
  notices: cascadeNotices,
  pipeline: (call, services) =>
    cascade({
      call,
      services,
      instructions: 'Be brief.',
      greeting: '',
      turns: { idle: null },
      ...(call.metadata.cascade as Partial<CascadeOptions> | undefined),
    }),
});
