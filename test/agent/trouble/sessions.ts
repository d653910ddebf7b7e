/**
 * Sessions that end in every way, one after the other or side by side, for tests of what is left of them. Owns what a
 * caller does and when the call ends; what is counted afterwards is the test's.
 */
import { z } from 'zod';
import { type CascadeOptions, hangUpTool, type Stage, type Tool } from '../../../src/agent/index.ts';
import type { FakeChatAnswer, FakeChatRequest } from '../../fakes/openai.ts';
import type { MemoryCall } from '../../support/memory-call.ts';

const STORY = 'Once upon a time there was a caller who wanted to hear a story. '.repeat(6);

/** What the fake model says to each of the callers. */
export function tell({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.findLast(({ role }) => role !== 'assistant')!;
  if (last.role === 'tool') return { text: 'Goodbye then.' };
  if (/bye/.test(last.content ?? '')) return { toolCalls: [{ name: 'hang_up', arguments: '{}' }] };
  if (/look/.test(last.content ?? '')) return { toolCalls: [{ name: 'look', arguments: '{}' }] };
  return { text: STORY };
}

const look: Tool = {
  name: 'look',
  description: 'Looks, and never finds.',
  parameters: z.object({}),
  run: () => new Promise(() => {}),
};

/** Fails the call with its first sound. */
const breaks: Stage = {
  name: 'breaks',
  process({ kind }) {
    if (kind === 'caller-audio') throw new Error('broken');
  },
  close() {},
};

export interface EndedSession {
  readonly name: string;
  /** For its agent. */
  readonly cascade: Partial<CascadeOptions>;
  /** Resolves when the caller has had enough; whoever asked for it hangs up then, unless the agent has. */
  run(call: MemoryCall, talk: Int16Array): Promise<void>;
}

const tools = [hangUpTool({ reason: 'Over.' }), look];
const WAIT_MS = 30_000;
const sounds = (call: MemoryCall) =>
  call.until(() => (call.mouth.utteranceCount > 0 ? true : undefined), 'sound', WAIT_MS);
const ends = (call: MemoryCall) => call.until(() => call.end ?? undefined, 'the end of the call', WAIT_MS);
const event = (call: MemoryCall, type: string) =>
  call.until(() => call.events.find((each) => each.type === type), `an event ${type}`, WAIT_MS);

export const ENDED_SESSIONS: readonly EndedSession[] = [
  { name: 'leaves at once', cascade: {}, async run() {} },
  {
    name: 'is hung up on by the agent',
    cascade: { tools },
    async run(call) {
      call.mouth.autoPlay = true;
      call.type('bye');
      await ends(call);
    },
  },
  {
    name: 'leaves while the model thinks',
    cascade: {},
    async run(call) {
      call.type('a story');
      await event(call, 'agent-state');
    },
  },
  {
    name: 'leaves in the middle of a sentence',
    cascade: {},
    async run(call) {
      call.type('a story');
      await sounds(call);
    },
  },
  {
    name: 'leaves while a tool runs',
    cascade: { tools },
    async run(call) {
      call.type('look');
      await event(call, 'tool');
    },
  },
  {
    name: 'is lost by a stage that breaks',
    cascade: { beside: breaks },
    async run(call) {
      call.ear.push(new Int16Array(640));
      await ends(call);
    },
  },
  {
    name: 'interrupts, and is hung up on',
    cascade: { tools },
    async run(call) {
      call.mouth.autoPlay = true;
      call.type('a story');
      await sounds(call);
      call.type('bye');
      await ends(call);
    },
  },
  {
    name: 'leaves in the middle of a word',
    cascade: {},
    async run(call, talk) {
      call.ear.push(talk);
      await event(call, 'caller-speaking');
    },
  },
];
