import { describe, expect, test } from 'vitest';
import { Conversation } from '../../../src/agent/index.ts';
import { FakeOpenAi } from '../../fakes/openai.ts';
import { FakeOpenAiCompatible } from '../../fakes/openai-compatible.ts';
import type { MemoryCall } from '../../support/memory-call.ts';
import { closeAfterwards, noticesOf, openNode, settle, type TroubledNode } from './node.ts';

/** So many characters of sentences, each another one. */
function longAnswer(characters: number): string {
  let text = '';
  for (let number = 1; text.length < characters; number++) text += `This is sentence number ${number} of many. `;
  return text.slice(0, characters).trim();
}

async function openTalker() {
  const model = closeAfterwards(await FakeOpenAiCompatible.start({ keyless: true }));
  // 65 ms a character, and no tone to be computed.
  const speak = (text: string) => new Int16Array(text.length * 65 * 24);
  const voice = closeAfterwards(await FakeOpenAi.start({ keyless: true, speak }));
  const node = await openNode({
    environment: {
      ANTIPODE_STT: 'whisper-server/any',
      ANTIPODE_LLM: 'vllm/any',
      ANTIPODE_TTS: 'kokoro#any',
      WHISPER_BASE_URL: voice.baseUrl,
      VLLM_BASE_URL: model.baseUrl,
      KOKORO_BASE_URL: voice.baseUrl,
    },
  });
  return { model, voice, node };
}

/** Play a second at a time, as time passes, until `over`; answers with the most that was waiting to be played, ms. */
async function listen(node: TroubledNode, { mouth }: MemoryCall, over: () => boolean): Promise<number> {
  let mostMs = 0;
  while (!over()) {
    mostMs = Math.max(mostMs, mouth.bufferedMs);
    // Nothing passes while a sentence is on its way over the wire.
    if (mouth.bufferedMs > 0) {
      mouth.play(1_000);
      node.clock.advance(1_000);
    }
    await settle(4);
  }
  return mostMs;
}

describe('a reply of ten thousand characters', { timeout: 60_000 }, () => {
  const TEXT = longAnswer(10_000);

  test('is spoken whole and in order, by a mouth that is never far ahead of the caller', async () => {
    const { model, voice, node } = await openTalker();
    model.answer = { text: TEXT };
    const conversation = new Conversation();
    const call = node.place({ conversation });
    call.mouth.autoPlay = false;
    call.type('Tell me all.');
    const mostMs = await listen(node, call, () => conversation.entries.some(({ role }) => role === 'agent'));
    expect(voice.spoken.join(' ')).toBe(TEXT);
    expect(conversation.entries.at(-1)).toMatchObject({ role: 'agent', text: TEXT, interrupted: false });
    // 20 s, and the sentence that was asked for then.
    expect(mostMs).toBeLessThan(25_000);
    expect(noticesOf(call)).toEqual([]);
    expect(node.warnings()).toEqual([]);
  });

  test('that is interrupted in the middle stays in the context as far as it was heard, and is made no further', async () => {
    const { model, voice, node } = await openTalker();
    model.answer = { text: TEXT };
    const conversation = new Conversation();
    const call = node.place({ conversation });
    call.mouth.autoPlay = false;
    call.type('Tell me all.');
    await listen(node, call, () => voice.spoken.length === 60);
    const shown = call.events.findLast((event) => event.type === 'transcript' && event.role === 'agent');
    model.answer = { text: 'As you like.' };
    call.type('Stop.');
    await model.requested(2);
    expect(call.mouth.flushes).toBe(1);
    const [, heard] = conversation.entries;
    expect(heard).toMatchObject({ role: 'agent', interrupted: true });
    expect(heard!.role === 'agent' && TEXT.startsWith(heard!.text)).toBe(true);
    // Whole sentences up to the one that was being spoken, of which some words may be missing.
    expect(shown).toMatchObject({ text: expect.stringContaining('This is sentence number 1 of many.') });
    const { text } = shown as { text: string };
    const heardText = (heard as { text: string }).text;
    expect(text.startsWith(heardText)).toBe(true);
    expect(text.length - heardText.length).toBeLessThan('This is sentence number 100 of many.'.length + 1);
    const last = model.requests.at(-1)!.messages;
    expect(last.at(-2)).toEqual({ role: 'assistant', content: `${heardText} [the caller spoke over the rest]` });
    await expect.poll(() => voice.spoken.at(-1)).toBe('As you like.');
    expect(voice.spoken.length).toBeLessThan(63);
  });
});

describe('a model that writes for ever', { timeout: 60_000 }, () => {
  test.each([
    ['without the end of a sentence', 'and so on and on '],
    ['without a space', 'na'],
  ])('%s is cut off, and what it wrote until then is spoken', async (_how, words) => {
    const { model, voice, node } = await openTalker();
    model.answer = { text: words.repeat(20_000 / words.length) };
    const call = node.place({ answer: { maxCharacters: 4_000 } });
    call.type('Go on.');
    expect((await call.said('agent', 0)).replaceAll(' ', '').length).toBeGreaterThan(2_500);
    expect(voice.spoken.join('').length).toBeLessThanOrEqual(4_000);
    expect(Math.max(...voice.spoken.map(({ length }) => length))).toBeLessThanOrEqual(240);
    expect(node.warnings()).toEqual(['the model writes without end: cut off']);
    model.answer = { text: 'Enough.' };
    call.type('Stop.');
    expect(await call.said('agent', 1)).toBe('Enough.');
  });
});
