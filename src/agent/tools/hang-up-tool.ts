/** The tool by which a model ends the call: after its goodbye, so never in the middle of a word. */
import { z } from 'zod';
import type { Tool } from '../services/llm.ts';

export interface HangUpToolOptions {
  /** When to call it, for the model. */
  description?: string;
  /** Why the call ended, for people. */
  reason?: string;
}

export const HANG_UP_DEFAULTS = {
  description: 'End the call. Call it when the caller says goodbye or that this is all, and say goodbye as well.',
  reason: 'The agent ended the call.',
} as const satisfies Required<HangUpToolOptions>;

/** A tool named `hang_up`. The call ends once the reply has been played; a caller who interrupts it stays. */
export function hangUpTool(options: HangUpToolOptions = {}): Tool {
  const { description, reason } = { ...HANG_UP_DEFAULTS, ...options };
  return {
    name: 'hang_up',
    description,
    parameters: z.object({}),
    // It changes nothing but the reply, and ends with it.
    idempotent: true,
    run(_input, context) {
      context.hangUpAfterReply(reason);
      return 'The call ends once your goodbye has been heard, unless the caller speaks before.';
    },
  };
}
