import { expect, test } from 'vitest';
import { DESK_GREETING } from '../../../agents/front-desk/dialog.ts';
import { type FakeChatRequest, FakeOpenAi } from '../../fakes/openai.ts';
import { hasFlite, speech } from '../speech.ts';
import { closeAfterwards, noticesOf, openNode, settle } from './node.ts';

/** A model that books at once. */
function chat({ messages }: FakeChatRequest) {
  const last = messages.findLast(({ role }) => role !== 'assistant')!;
  if (last.role === 'tool') return { text: 'You have a table for two. Anything else?' };
  if (!/book/.test(last.content ?? '')) return { text: 'I see. Go on.' };
  const booking = { people: 2, day: 'tomorrow', time: 'evening' };
  return { toolCalls: [{ name: 'book_table', arguments: JSON.stringify(booking) }] };
}

test.skipIf(!hasFlite)(
  'on a day on which everything fails once the front desk takes a booking, once',
  { timeout: 60_000 },
  async () => {
    const transcribe = () => 'please book a table for two tomorrow evening';
    const first = closeAfterwards(await FakeOpenAi.start({ keyless: true, chat, transcribe }));
    const second = closeAfterwards(await FakeOpenAi.start({ keyless: true, chat, transcribe }));
    const node = await openNode({
      agentsDir: 'agents',
      environment: {
        ANTIPODE_STT: 'whisper-server/any,openai-transcriptions',
        ANTIPODE_LLM: 'vllm/any,openai',
        ANTIPODE_TTS: 'kokoro#any,openai',
        WHISPER_BASE_URL: first.baseUrl,
        VLLM_BASE_URL: first.baseUrl,
        KOKORO_BASE_URL: first.baseUrl,
        OPENAI_BASE_URL: second.baseUrl,
      },
    });
    // The greeting: the voice hangs.
    first.failures.speech = 'hang';
    const call = node.place({}, 'front-desk');
    await first.requested(1);
    await settle();
    node.clock.advance(1_500);
    expect(await call.said('agent', 0)).toBe(DESK_GREETING);
    delete first.failures.speech;

    // A spoken turn: the ear is overloaded, and the model breaks off.
    first.failures.transcriptions = { status: 503 };
    first.failures.completions = 'cut';
    await call.ear.hearSilence(300);
    await call.ear.hear(await speech('please book a table for two tomorrow evening'));
    await call.ear.hearSilence(900);
    expect(await call.said('agent', 1)).toContain('You have a table for two. Anything else?');
    delete first.failures.transcriptions;
    const booked = call.events.filter((event) => event.type === 'tool' && event.state === 'ok');
    expect(booked).toMatchObject([{ name: 'book_table' }]);

    // A typed turn: the model says nothing sensible, and then the voice.
    first.failures.completions = 'malformed';
    first.failures.speech = 'cut';
    call.type('Hello?');
    expect(await call.said('agent', 2)).toBe('I see. Go on.');

    // Everything is well again.
    delete first.failures.completions;
    delete first.failures.speech;
    const spoken = first.spoken.length;
    await node.hangUp();
    node.clock.advance(6_000);
    const next = node.place({}, 'front-desk');
    expect(await next.said('agent', 0)).toBe(DESK_GREETING);
    expect(first.spoken.length).toBeGreaterThan(spoken);

    expect(new Set(noticesOf(call))).toEqual(new Set(['fail-over']));
    expect(await node.metric('antipode_service_errors_total')).toEqual([]);
    expect(call.end).toEqual({ code: 'caller-left', reason: 'The caller left.' });
  },
);
