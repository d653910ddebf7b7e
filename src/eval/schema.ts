/**
 * What a file of evals may say: the agent, who calls it and how, and what is expected. Owns the shapes and what of them
 * fits together; reading files is read-evals.ts, and whether a call was as expected is checks.ts.
 */
import { z } from 'zod';

const words = z.string().trim().min(1).max(500);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(50);
const toolName = z.string().min(1).max(64);
const service = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,47}(\/[^#@]{1,120})?(@[a-z0-9-]{1,48})?$/,
    'must be service, service/model or service/model@region',
  )
  .describe('A language model of the catalogue, such as openai/gpt-5-mini; `antipode services --kind llm` lists them.');
const regex = z
  .string()
  .min(1)
  .max(500)
  .refine(isRegex, 'is no regular expression')
  .describe('A regular expression; capital and small letters are the same.');
const ms = z.number().int().min(1).max(600_000);

function isRegex(source: string): boolean {
  try {
    new RegExp(source, 'iu');
    return true;
  } catch {
    return false;
  }
}

/** Whether each text between slashes in it is one. */
function holdsRegexes(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(holdsRegexes);
  const source = typeof value === 'string' ? /^\/(.+)\/$/.exec(value)?.[1] : undefined;
  return source === undefined || isRegex(source);
}

const wordsExpected = {
  contains: listOf(words).optional().describe("All of these are among the agent's words, in whatever case."),
  matches: listOf(regex).optional().describe("Each of these fits the agent's words."),
  not: listOf(words).optional().describe("None of these is among the agent's words."),
};

const toolsExpected = z
  .strictObject({
    called: listOf(
      z.union([
        toolName,
        z.strictObject({
          name: toolName,
          arguments: z
            .record(z.string(), z.unknown())
            .refine(holdsRegexes, 'holds a text between slashes that is no regular expression')
            .optional()
            .describe(
              'These are among its arguments; a text such as "/seven/" is a regular expression. Text mode only.',
            ),
          times: z.number().int().min(1).max(100).optional().describe('Exactly so often.'),
        }),
      ]),
    ).optional(),
    inOrder: z.boolean().optional().describe('`called` is the order in which they were called.'),
    notCalled: listOf(toolName).optional(),
    atMost: z.number().int().min(0).max(100).optional().describe('Calls of tools in all.'),
  })
  .refine(({ inOrder, called }) => !inOrder || called !== undefined, { path: ['inOrder'], message: 'needs `called`' });

const soundsExpected = z
  .strictObject({
    like: words,
    unlike: listOf(words).describe('What else it might have been: pocketsphinx must tell it from these.'),
  })
  .describe('What the voice of the answer sounds like to pocketsphinx, whatever the transcript says. Voice mode only.');

export const turnExpectationSchema = z
  .strictObject({
    ...wordsExpected,
    tools: toolsExpected.optional(),
    sounds: soundsExpected.optional(),
    withinMs: ms.optional().describe('The answer begins within this.'),
    silentWithinMs: ms
      .optional()
      .describe('An agent that this turn interrupts falls silent within this. Voice mode only.'),
  })
  .refine(saysSomething, 'expects nothing');

export const callExpectationSchema = z
  .strictObject({
    ...wordsExpected,
    inOrder: listOf(words).optional().describe("These come in the agent's words one after the other."),
    tools: toolsExpected.optional(),
    latency: z
      .strictObject({ p50Ms: ms.optional(), p95Ms: ms.optional() })
      .refine(saysSomething, 'expects nothing')
      .optional()
      .describe("Of all turns of all repeats: the caller's last sound, or typed words, to the first of the answer."),
    endedBy: z.enum(['agent', 'caller']).optional().describe('Who hangs up.'),
    judge: z
      .strictObject({ criteria: listOf(words), service: service.optional() })
      .optional()
      .describe('A language model reads the conversation and says of each criterion whether it is met.'),
  })
  .refine(saysSomething, 'expects nothing');

const turnSchema = z.strictObject({
  say: z.string().trim().min(1).max(1_000),
  interruptAfterMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .optional()
    .describe('Is said so long into the answer to the turn before, not after it. Voice mode only.'),
  expect: turnExpectationSchema.optional(),
});

const callerSchema = z
  .strictObject({
    turns: z.array(turnSchema).min(1).max(50).optional().describe('What the caller says, one after the other.'),
    persona: z.string().trim().min(1).max(4_000).optional().describe('Who a language model plays instead.'),
    goal: z.string().trim().min(1).max(2_000).optional().describe('What this caller wants.'),
    service: service.optional(),
    maxTurns: z
      .number()
      .int()
      .min(1)
      .max(50)
      .optional()
      .describe('A played caller says no more than this. Default: 10.'),
  })
  .superRefine((caller, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (caller.turns !== undefined) {
      for (const key of ['persona', 'goal', 'service', 'maxTurns'] as const) {
        if (caller[key] !== undefined) refuse(key, 'is of a played caller, and this one has `turns`');
      }
      if (caller.turns[0]?.interruptAfterMs !== undefined)
        refuse('turns.0.interruptAfterMs', 'there is no turn before');
      return;
    }
    if (caller.persona === undefined) refuse('turns', 'is missing, and so is a `persona` to be played');
    else if (caller.goal === undefined) refuse('goal', 'is missing: what does this caller want?');
  });

const voiceSchema = z.strictObject({
  accent: z
    .enum(['slt', 'kal', 'kal16', 'awb', 'rms'])
    .optional()
    .describe("The caller's voice, of flite. Default: slt."),
  noise: z
    .strictObject({
      levelDb: z.number().min(-90).max(-6).describe('Loudness (RMS), dB below full scale; speech is near -20.'),
      file: z
        .string()
        .min(1)
        .optional()
        .describe('WAV file, by its path from this file, over and over; else white noise.'),
    })
    .optional()
    .describe("Mixed into the caller's microphone for the whole call."),
});

const common = {
  agent: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be the name of an agent')
    .optional(),
  mode: z
    .enum(['text', 'voice'])
    .optional()
    .describe('text: typed turns, no sound. voice: a real call. Default: text.'),
  repeats: z.number().int().min(1).max(100).optional().describe('Default: 1.'),
  passShare: z.number().min(0.01).max(1).optional().describe('Share of the repeats that must pass. Default: 1.'),
  service: service.optional(),
  voice: voiceSchema.optional(),
  limitSeconds: z.number().int().min(1).max(3_600).optional().describe('A longer call has failed. Default: 180.'),
};

const evalSchema = z.strictObject({
  name: z.string().trim().min(1).max(120),
  ...common,
  caller: callerSchema,
  expect: callExpectationSchema.optional(),
});

export const evalFileSchema = z.strictObject({
  version: z.literal(1),
  title: z.string().max(120).optional(),
  ...common,
  evals: z.array(evalSchema).min(1).max(500),
});

export type EvalFile = z.infer<typeof evalFileSchema>;
export type TurnExpectation = z.infer<typeof turnExpectationSchema>;
export type CallExpectation = z.infer<typeof callExpectationSchema>;
export type ToolsExpectation = z.infer<typeof toolsExpected>;
export type ScriptedTurn = z.infer<typeof turnSchema>;
export type VoiceSettings = z.infer<typeof voiceSchema>;

function saysSomething(value: object): boolean {
  return Object.values(value).some((each) => each !== undefined);
}
