/** OpenAI's Responses API on loopback. From memory of the types of the `openai` package; neither read nor recorded. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type StreamedWords, StreamingLlmFake, sse } from './streaming-llm.ts';

const item = z.union([
  z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string() }),
  z.strictObject({ type: z.literal('function_call'), call_id: z.string(), name: z.string(), arguments: z.string() }),
  z.strictObject({ type: z.literal('function_call_output'), call_id: z.string(), output: z.string() }),
]);
const requestSchema = z.strictObject({
  model: z.string(),
  instructions: z.string(),
  input: z.array(item),
  stream: z.literal(true),
  store: z.literal(false),
  tools: z
    .array(
      z.strictObject({
        ...{ type: z.literal('function'), name: z.string(), description: z.string(), strict: z.literal(false) },
        parameters: z.object({ type: z.literal('object') }),
      }),
    )
    .optional(),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
});

export class FakeResponses extends StreamingLlmFake {
  static start(): Promise<FakeResponses> {
    return new FakeResponses().listen();
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  protected isOurs({ headers }: IncomingMessage): boolean {
    return headers.authorization === `Bearer ${this.apiKey}`;
  }

  protected judge({ url }: IncomingMessage, body: unknown): number | null {
    if (url !== '/v1/responses') return 404;
    return requestSchema.safeParse(body).success ? null : 400;
  }

  protected words(): StreamedWords {
    const event = (type: string, data: object = {}) => sse(type, { type, ...data });
    const usage = { input_tokens: 9, input_tokens_details: { cached_tokens: 4 }, output_tokens: 3, total_tokens: 12 };
    return {
      begin: () =>
        event('response.created', { response: { id: 'r', status: 'in_progress' } }) +
        event('response.output_item.added', { output_index: 0, item: { type: 'message', id: 'i' } }),
      word: (delta) => event('response.output_text.delta', { item_id: 'i', output_index: 0, content_index: 0, delta }),
      toolCall: ({ name, arguments: written }, place) => {
        const call = { type: 'function_call', id: `fc_${place}`, call_id: `call_${place}`, name };
        return [
          event('response.output_item.added', { output_index: place + 1, item: { ...call, arguments: '' } }),
          event('response.function_call_arguments.delta', { item_id: call.id, delta: written }),
          event('response.output_item.done', { output_index: place + 1, item: { ...call, arguments: written } }),
        ].join('');
      },
      end: () => event('response.completed', { response: { id: 'r', status: 'completed', usage } }),
      error: () => event('response.failed', { response: { error: { code: 'server_error', message: 'it broke' } } }),
      wrongShape: () => event('response.output_text.delta', { delta: { parts: [] } }),
    };
  }
}
