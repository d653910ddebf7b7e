/** Google's `streamGenerateContent` on loopback. From memory of ai.google.dev (api/generate-content); neither read nor recorded. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { type StreamedWords, StreamingLlmFake, sse } from './streaming-llm.ts';

const part = z.union([
  z.strictObject({ text: z.string() }),
  // Newer models refuse a call without its signature.
  z.strictObject({
    functionCall: z.strictObject({ name: z.string(), args: z.record(z.string(), z.unknown()) }),
    thoughtSignature: z.string().min(1),
  }),
  z.strictObject({
    functionResponse: z.strictObject({ name: z.string(), response: z.record(z.string(), z.unknown()) }),
  }),
]);
const requestSchema = z.strictObject({
  systemInstruction: z.object({ parts: z.array(part).min(1) }),
  contents: z.array(z.strictObject({ role: z.enum(['user', 'model']), parts: z.array(part).min(1) })).min(1),
  tools: z
    .array(
      z.strictObject({
        functionDeclarations: z
          .array(
            z.strictObject({
              name: z.string(),
              description: z.string(),
              parametersJsonSchema: z.object({ type: z.literal('object') }),
            }),
          )
          .min(1),
      }),
    )
    .optional(),
  generationConfig: z.strictObject({ temperature: z.number().optional(), topP: z.number().optional() }),
});

export class FakeGemini extends StreamingLlmFake {
  static start(): Promise<FakeGemini> {
    return new FakeGemini().listen();
  }

  get baseUrl(): string {
    return `${this.origin}/v1beta`;
  }

  protected isOurs({ headers }: IncomingMessage): boolean {
    return headers['x-goog-api-key'] === this.apiKey || headers.authorization === `Bearer ${this.apiKey}`;
  }

  protected judge({ url }: IncomingMessage, body: unknown): number | null {
    if (!/^\/v1beta\/models\/[\w.-]+:streamGenerateContent\?alt=sse$/.test(url ?? '')) return 404;
    return requestSchema.safeParse(body).success ? null : 400;
  }

  protected words(): StreamedWords {
    const chunk = (parts: unknown[], finishReason?: string) =>
      sse(null, {
        candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason && { finishReason }) }],
      });
    const usageMetadata = {
      ...{ promptTokenCount: 9, cachedContentTokenCount: 4, candidatesTokenCount: 2, thoughtsTokenCount: 1 },
    };
    return {
      begin: () => chunk([{ text: 'I think about it.', thought: true }]),
      word: (text) => chunk([{ text }]),
      toolCall: ({ name, arguments: written }) =>
        chunk([{ functionCall: { name, args: JSON.parse(written) }, thoughtSignature: 'c2lnbmVk' }]),
      end: () =>
        sse(null, {
          candidates: [{ content: { role: 'model', parts: [{ text: '' }] }, finishReason: 'STOP' }],
          usageMetadata,
        }),
      error: () => sse(null, { error: { code: 500, message: 'it broke', status: 'INTERNAL' } }),
      wrongShape: () => chunk([{ text: { parts: [] } }]),
    };
  }
}
