/** Anthropic's Messages API on loopback. From memory of platform.claude.com (api/messages, streaming); neither read nor recorded. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type StreamedWords, StreamingLlmFake, sse } from './streaming-llm.ts';

const block = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string().regex(/\S/) }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal('tool_result'), tool_use_id: z.string(), content: z.string() }),
]);
/** What the service refuses with 400 when it is otherwise. */
const requestSchema = z.strictObject({
  model: z.string(),
  max_tokens: z.number().int().min(1),
  stream: z.literal(true),
  system: z.array(
    z.object({ type: z.literal('text'), text: z.string(), cache_control: z.object({ type: z.literal('ephemeral') }) }),
  ),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant']), content: z.array(block).min(1) }))
    .min(1)
    .refine(([first]) => first?.role === 'user')
    .refine((messages) => messages.every(({ role }, index) => role !== messages[index - 1]?.role)),
  tools: z
    .array(
      z.object({ name: z.string(), description: z.string(), input_schema: z.object({ type: z.literal('object') }) }),
    )
    .optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().optional(),
  inference_geo: z.enum(['us', 'global']).optional(),
});

export class FakeAnthropic extends StreamingLlmFake {
  static start(): Promise<FakeAnthropic> {
    return new FakeAnthropic().listen();
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  protected isOurs({ headers }: IncomingMessage): boolean {
    return headers['x-api-key'] === this.apiKey;
  }

  protected judge({ url, headers }: IncomingMessage, body: unknown): number | null {
    if (url !== '/v1/messages') return 404;
    return headers['anthropic-version'] === '2023-06-01' && requestSchema.safeParse(body).success ? null : 400;
  }

  protected words(): StreamedWords {
    const event = (type: string, data: object = {}) => sse(type, { type, ...data });
    const delta = (index: number, what: object) => event('content_block_delta', { index, delta: what });
    return {
      begin: () =>
        event('message_start', {
          message: { id: 'm', usage: { input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 1 } },
        }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
        event('ping'),
      word: (text) => delta(0, { type: 'text_delta', text }),
      toolCall: ({ name, arguments: written }, place) => {
        const index = place + 1;
        const half = Math.ceil(written.length / 2);
        const pieces = written === '{}' ? [''] : [written.slice(0, half), written.slice(half)];
        return [
          event('content_block_start', {
            index,
            content_block: { type: 'tool_use', id: `toolu_${place}`, name, input: {} },
          }),
          ...pieces.map((partial_json) => delta(index, { type: 'input_json_delta', partial_json })),
          event('content_block_stop', { index }),
        ].join('');
      },
      end: (hasCalls) =>
        event('content_block_stop', { index: 0 }) +
        event('message_delta', {
          delta: { stop_reason: hasCalls ? 'tool_use' : 'end_turn' },
          usage: { output_tokens: 3 },
        }) +
        event('message_stop'),
      error: () => event('error', { error: { type: 'api_error', message: 'it broke' } }),
      wrongShape: () => delta(0, { type: 'text_delta', text: { parts: [] } }),
    };
  }
}
