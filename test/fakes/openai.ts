/**
 * OpenAI's wire protocol on loopback: a real HTTP server for `audio/transcriptions` (multipart upload), `chat/completions`
 * (server-sent events, with tool calls) and `audio/speech` (chunked PCM). What it answers is scripted; it fails and
 * lags as it is told. Recorded from the API reference, not from the service itself.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildWav } from '../../src/agent/services/wav.ts';
import { bodyOf, chatEvent, HttpFake, refuse, usageEvent } from './http-fake.ts';

/** How an endpoint misbehaves. */
export type FakeFailure =
  /** Answers with this status and an error body. */
  | { readonly status: number; readonly retryAfterSeconds?: number }
  /** Takes the request and never answers. */
  | 'hang'
  /** Answers 200 with something else than was asked for. */
  | 'malformed'
  /** Answers with half of what was asked for, as if it were whole. */
  | 'half'
  /** Answers what reads well and is another thing. */
  | 'wrong-shape'
  /** Answers in good order, with nothing. */
  | 'empty'
  /** Begins a good answer and drops the connection. */
  | 'cut'
  /** Begins a good answer and says no more. */
  | 'stall';

export interface FakeToolCall {
  readonly name: string;
  readonly arguments: string;
}

export interface FakeChatAnswer {
  readonly text?: string;
  readonly toolCalls?: readonly FakeToolCall[];
}

export interface FakeChatRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly messages: readonly { role: string; content: string | null; tool_calls?: unknown; tool_call_id?: string }[];
  readonly tools?: readonly { type: string; function: { name: string; parameters: unknown } }[];
  readonly stream_options?: { readonly include_usage?: boolean };
}

export interface FakeOpenAiOptions {
  apiKey?: string;
  /** Words of an uploaded WAV file. */
  transcribe?(wav: Buffer): string | Promise<string>;
  chat?(request: FakeChatRequest): FakeChatAnswer;
  /** PCM of a sentence, at `sampleRate`. */
  speak?(text: string): Int16Array | Promise<Int16Array>;
  /** Hz of speech. @defaultValue 24000 */
  sampleRate?: number;
  /** The longest text that is spoken at once; longer ones get 400. @defaultValue 4096 */
  maxCharacters?: number;
  /** Wants no key, as servers of one's own. */
  keyless?: boolean;
  /** Before the first byte of an answer. */
  latencyMs?: number;
  /** The same, drawn for each answer. */
  latency?(): number;
  /** Between words of a chat answer and chunks of speech. */
  spacingMs?: number;
}

export type FakeEndpoint = 'transcriptions' | 'completions' | 'speech';

export class FakeOpenAi extends HttpFake {
  readonly apiKey: string;
  readonly failures: Partial<Record<FakeEndpoint, FakeFailure>> = {};
  readonly chatRequests: FakeChatRequest[] = [];
  readonly spoken: string[] = [];
  /** Headers of each request, as they came. */
  readonly headers: IncomingMessage['headers'][] = [];
  /** Of each transcription, but for its sound. */
  readonly transcriptionForms: Record<string, string>[] = [];
  readonly #options: FakeOpenAiOptions;

  private constructor(options: FakeOpenAiOptions) {
    super();
    this.#options = options;
    this.apiKey = options.apiKey ?? 'sk-fake-key';
  }

  static start(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
    return new FakeOpenAi(options).listen();
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  /** Requests that the client gave up before the answer was whole. */
  get abandoned(): number {
    return this.abandonedCount;
  }

  /** Resolves when so many requests have come. */
  requested(count: number): Promise<void> {
    return this.until(() => this.headers.length >= count);
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    this.headers.push(request.headers);
    this.changed();
    if (!this.#options.keyless && request.headers.authorization !== `Bearer ${this.apiKey}`) {
      refuse(response, 401);
      return;
    }
    await sleep(this.#options.latency?.() ?? this.#options.latencyMs ?? 0);
    switch (`${request.method} ${request.url}`) {
      case 'POST /v1/audio/transcriptions':
        return this.#transcribe(body, request.headers['content-type'] ?? '', response);
      case 'POST /v1/chat/completions':
        return this.#chat(JSON.parse(body.toString('utf8')), response);
      case 'POST /v1/audio/speech':
        return this.#speak(JSON.parse(body.toString('utf8')), response);
      default:
        refuse(response, 404);
    }
  }

  async #transcribe(body: Buffer, contentType: string, response: ServerResponse): Promise<void> {
    const wrong = { half: '{"text": "hel', 'wrong-shape': '{"words": ["hello"]}', empty: '{"text": ""}' };
    if (this.#misbehaves('transcriptions', response, 'application/json', wrong)) return;
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
    const file = form.get('file');
    if (!(file instanceof Blob) || form.get('model') === null) {
      refuse(response, 400);
      return;
    }
    const fields = [...form].flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
    this.transcriptionForms.push(Object.fromEntries(fields));
    const text = (await this.#options.transcribe?.(Buffer.from(await file.arrayBuffer()))) ?? '';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ text, usage: { type: 'duration', seconds: 1 } }));
  }

  async #chat(request: FakeChatRequest, response: ServerResponse): Promise<void> {
    this.chatRequests.push(request);
    const wrong = {
      half: `${chatEvent({ content: 'I was going ' })}data: {"choi`,
      'wrong-shape': 'data: {"choices": [{"delta": {"content": {"parts": []}}}]}\n\n',
      empty: `${chatEvent({}, 'stop')}data: [DONE]\n\n`,
    };
    if (this.#misbehaves('completions', response, 'text/event-stream', wrong)) return;
    const answer = this.#options.chat?.(request) ?? { text: 'Hello.' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chatEvent({ role: 'assistant', content: '' }));
    for (const word of answer.text?.match(/\S+\s*/g) ?? []) {
      await sleep(this.#options.spacingMs ?? 0);
      if (response.destroyed) return;
      response.write(chatEvent({ content: word }));
    }
    for (const [index, call] of (answer.toolCalls ?? []).entries()) {
      const half = Math.ceil(call.arguments.length / 2);
      const { name } = call;
      const head = { index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } };
      response.write(chatEvent({ tool_calls: [head] }));
      for (const piece of [call.arguments.slice(0, half), call.arguments.slice(half)]) {
        response.write(chatEvent({ tool_calls: [{ index, function: { arguments: piece } }] }));
      }
    }
    response.write(chatEvent({}, answer.toolCalls?.length ? 'tool_calls' : 'stop'));
    if (request.stream_options?.include_usage) response.write(usageEvent(30, 12, 7));
    response.end('data: [DONE]\n\n');
  }

  async #speak(request: { input: string; voice: string; response_format?: string }, response: ServerResponse) {
    const { sampleRate = 24_000, maxCharacters = 4_096, spacingMs = 0 } = this.#options;
    const header = request.response_format === 'wav' ? streamedWavHeader(sampleRate) : Buffer.alloc(0);
    const silence = Buffer.concat([header, Buffer.alloc(4_801)]);
    const wrong = { half: silence.subarray(0, 1), 'wrong-shape': Buffer.from('{}'), empty: Buffer.alloc(0) };
    if (this.#misbehaves('speech', response, 'audio/pcm', wrong, silence)) return;
    const format = request.response_format ?? '';
    if (!['pcm', 'wav'].includes(format) || !request.voice || request.input.length > maxCharacters) {
      refuse(response, 400);
      return;
    }
    this.spoken.push(request.input);
    const pcm = (await this.#options.speak?.(request.input)) ?? tone(request.input.length * 65);
    const sound = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    const bytes = Buffer.concat([header, sound]);
    response.writeHead(200, { 'content-type': `audio/${format}` });
    // An odd size, so that chunks break inside of samples.
    for (let at = 0; at < bytes.length; at += 9_601) {
      await sleep(spacingMs);
      if (response.destroyed) return;
      response.write(bytes.subarray(at, at + 9_601));
    }
    response.end();
  }

  #misbehaves(
    endpoint: FakeEndpoint,
    response: ServerResponse,
    type: string,
    wrong: Record<'half' | 'wrong-shape' | 'empty', string | Buffer>,
    beginning = wrong.half,
  ): boolean {
    const failure = this.failures[endpoint];
    if (failure === undefined) return false;
    if (failure === 'hang') return true;
    if (typeof failure === 'object') {
      refuse(response, failure.status, failure.retryAfterSeconds);
      return true;
    }
    const isSound = endpoint === 'speech';
    const isPage = failure === 'malformed' && type !== 'text/event-stream';
    const isJson = failure === 'wrong-shape' && isSound;
    response.writeHead(200, { 'content-type': isPage ? 'text/html' : isJson ? 'application/json' : type });
    switch (failure) {
      case 'malformed':
        response.end(isPage ? '<html>a proxy says hello</html>' : 'data: {"choices": [{"delta": 7}\n\n');
        break;
      case 'cut':
        response.write(beginning, () => setTimeout(() => response.destroy(), 20));
        break;
      case 'stall':
        response.write(beginning);
        break;
      default:
        response.end(wrong[failure]);
    }
    return true;
  }
}

/** A WAV file whose length nobody knows yet. */
function streamedWavHeader(sampleRate: number): Buffer {
  const header = buildWav({ pcm: new Int16Array(0), sampleRate });
  header.writeUInt32LE(0xffff_ffff, 4);
  header.writeUInt32LE(0xffff_ffff, 40);
  return header;
}

/** 440 Hz at 24 kHz. */
function tone(ms: number): Int16Array {
  return Int16Array.from({ length: ms * 24 }, (_, index) => Math.sin((index * 440 * 2 * Math.PI) / 24_000) * 8_000);
}
