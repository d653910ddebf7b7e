import { expect, test } from 'vitest';
import { z } from 'zod';
import { Conversation, type Tool } from '../../../src/agent/index.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { hasFlite, speech } from '../speech.ts';
import { closeAfterwards, openNode } from './node.ts';

const done = { text: 'Done.' };

/** A model that calls these tools at once when it is spoken to, and has two words when they have answered. */
async function openCaller(toolCalls: { name: string; arguments: string }[], transcribe = () => '') {
  const model = closeAfterwards(
    await FakeOpenAi.start({
      keyless: true,
      transcribe,
      chat: ({ messages }) => (messages.at(-1)!.role === 'tool' ? done : { toolCalls }),
    }),
  );
  const node = await openNode({
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_LLM: 'vllm/any',
      ANTIPODE_TTS: 'kokoro#any',
      WHISPER_BASE_URL: model.baseUrl,
      VLLM_BASE_URL: model.baseUrl,
      KOKORO_BASE_URL: model.baseUrl,
    },
  });
  return { model, node };
}

function tool(name: string, run: Tool['run'], more: Partial<Tool> = {}): Tool {
  return { name, description: `Does ${name}.`, parameters: z.object({ at: z.string().optional() }), run, ...more };
}

/** Without the silence before it, which would add to the pause. */
function fromFirstSound(pcm: Int16Array): Int16Array {
  return pcm.subarray(pcm.findIndex((sample) => Math.abs(sample) > 500));
}

test('calls that throw, hang, do not exist or have wrong arguments are told to the model, and the caller gets words', async () => {
  const { model, node } = await openCaller([
    { name: 'throws', arguments: '{}' },
    { name: 'hangs', arguments: '{}' },
    { name: 'flies', arguments: '{}' },
    { name: 'throws', arguments: '{"at": 7}' },
    { name: 'throws', arguments: '{"at":' },
  ]);
  let began = 0;
  const tools = [
    tool('throws', () => {
      throw new Error('the secret cause');
    }),
    tool('hangs', () => {
      began++;
      return new Promise(() => {});
    }),
  ];
  const call = node.place({ tools });
  call.type('Try.');
  await expect.poll(() => began).toBe(1);
  node.clock.advance(9_999);
  expect(model.chatRequests.length).toBe(1);
  node.clock.advance(1);
  expect(await call.said('agent', 0)).toBe('Done.');
  const told = model.chatRequests[1]!.messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
  expect(told.map((content) => JSON.parse(content!).error)).toEqual([
    'it failed',
    'it took too long',
    'there is no tool "flies"',
    expect.stringContaining('at: '),
    'the arguments are not JSON',
  ]);
  expect(JSON.stringify([call.events, model.chatRequests])).not.toContain('secret');
  expect((await node.metric('antipode_tool_runs_total')).sort()).toEqual([
    '{tool="hangs",outcome="timed-out"} 1',
    '{tool="throws",outcome="failed"} 1',
    '{tool="throws",outcome="invalid-arguments"} 2',
    '{tool="unknown",outcome="unknown-tool"} 1',
  ]);
  expect(node.warnings().sort()).toEqual([
    'a tool call could not be run',
    'a tool call could not be run',
    'a tool call could not be run',
    'a tool failed',
    'a tool took too long',
  ]);
  await node.close();
  expect(node.clock.pendingCount).toBe(0);
});

test.skipIf(!hasFlite)(
  'a caller who goes on after a pause is answered once, by a tool that ran once, for all words together',
  { timeout: 60_000 },
  async () => {
    const heard: string[] = ['book a table', 'book a table for two people'];
    let transcriptions = 0;
    const { model, node } = await openCaller(
      [
        { name: 'looks', arguments: '{}' },
        { name: 'books', arguments: '{}' },
      ],
      () => heard[Math.min(transcriptions++, 1)]!,
    );
    const ran: string[] = [];
    const run = (name: string) => () => {
      ran.push(name);
      return 'ok';
    };
    const tools = [tool('books', run('books')), tool('looks', run('looks'), { idempotent: true })];
    const conversation = new Conversation();
    const call = node.place({ tools, conversation });
    await call.ear.hearSilence(300);
    await call.ear.hear(await speech('i would like to book a table'));
    // Long enough to be probably the end, too short to be it.
    await call.ear.hearSilence(320);
    await expect.poll(() => ran).toEqual(['looks']);
    expect(call.mouth.utteranceCount).toBe(0);

    await call.ear.hear(fromFirstSound(await speech('for two people please')));
    await call.ear.hearSilence(900);
    const answered = await call.until(() =>
      call.events.find((event) => event.type === 'transcript' && event.role === 'agent' && event.final),
    );
    expect(answered).toMatchObject({ text: 'Done.' });
    expect(ran.filter((name) => name === 'books')).toEqual(['books']);
    expect(model.spoken).toEqual(['Done.']);
    expect(call.mouth.utteranceCount).toBe(1);
    expect(conversation.entries).toMatchObject([
      { role: 'caller', text: 'book a table for two people' },
      { role: 'tool', name: 'looks', result: 'ok' },
      { role: 'tool', name: 'books', result: 'ok' },
      { role: 'agent', text: 'Done.', interrupted: false },
    ]);
    expect(await node.metric('antipode_speculations_total')).toContain('{outcome="dropped"} 1');
    expect(await node.metric('antipode_tool_runs_total')).toContain('{tool="books",outcome="ok"} 1');
  },
);
