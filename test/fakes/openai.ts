/**
 * OpenAI's wire protocol on loopback: a real HTTP server for `audio/transcriptions` (multipart upload), `chat/completions`
 * (server-sent events, with tool calls) and `audio/speech` (chunked PCM). What it answers is scripted; it fails and
 * lags as it is told. Recorded from the API reference, not from the service itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How an endpoint misbehaves. */
export type FakeFailure =
  /** Answers with this status and an error body. */
  | { readonly status: number }
  /** Takes the request and never answers. */
  | 'hang'
  /** Answers 200 with something else than was asked for. */
  | 'malformed'
  /** Begins a good answer and drops the connection. */
  | 'cut';

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
}

export interface FakeOpenAiOptions {
  apiKey?: string;
  /** Words of an uploaded WAV file. */
  transcribe?(wav: Buffer): string | Promise<string>;
  chat?(request: FakeChatRequest): FakeChatAnswer;
  /** 24 kHz PCM of a sentence. */
  speak?(text: string): Int16Array | Promise<Int16Array>;
  /** Before the first byte of an answer. */
  latencyMs?: number;
  /** Between words of a chat answer and chunks of speech. */
  spacingMs?: number;
}

export type FakeEndpoint = 'transcriptions' | 'completions' | 'speech';

export class FakeOpenAi {
  readonly apiKey: string;
  readonly failures: Partial<Record<FakeEndpoint, FakeFailure>> = {};
  readonly chatRequests: FakeChatRequest[] = [];
  readonly spoken: string[] = [];
  /** Requests that the client gave up before the answer was whole. */
  abandoned = 0;
  readonly #options: FakeOpenAiOptions;
  readonly #server: Server;

  private constructor(options: FakeOpenAiOptions) {
    this.#options = options;
    this.apiKey = options.apiKey ?? 'sk-fake-key';
    this.#server = createServer((request, response) => {
      response.on('close', () => {
        if (!response.writableFinished) this.abandoned++;
      });
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
    const fake = new FakeOpenAi(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    if (request.headers.authorization !== `Bearer ${this.apiKey}`) {
      sendError(response, 401);
      return;
    }
    await sleep(this.#options.latencyMs ?? 0);
    switch (`${request.method} ${request.url}`) {
      case 'POST /v1/audio/transcriptions':
        return this.#transcribe(body, request.headers['content-type'] ?? '', response);
      case 'POST /v1/chat/completions':
        return this.#chat(JSON.parse(body.toString('utf8')), response);
      case 'POST /v1/audio/speech':
        return this.#speak(JSON.parse(body.toString('utf8')), response);
      default:
        sendError(response, 404);
    }
  }

  async #transcribe(body: Buffer, contentType: string, response: ServerResponse): Promise<void> {
    if (this.#misbehaves('transcriptions', response, 'application/json', '{"text": "hel')) return;
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
    const file = form.get('file');
    if (!(file instanceof Blob) || form.get('model') === null) {
      sendError(response, 400);
      return;
    }
    const text = (await this.#options.transcribe?.(Buffer.from(await file.arrayBuffer()))) ?? '';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ text, usage: { type: 'duration', seconds: 1 } }));
  }

  async #chat(request: FakeChatRequest, response: ServerResponse): Promise<void> {
    this.chatRequests.push(request);
    if (this.#misbehaves('completions', response, 'text/event-stream', sse(chunk({ content: 'I was going ' })))) return;
    const answer = this.#options.chat?.(request) ?? { text: 'Hello.' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(sse(chunk({ role: 'assistant', content: '' })));
    for (const word of answer.text?.match(/\S+\s*/g) ?? []) {
      await sleep(this.#options.spacingMs ?? 0);
      if (response.destroyed) return;
      response.write(sse(chunk({ content: word })));
    }
    for (const [index, call] of (answer.toolCalls ?? []).entries()) {
      const half = Math.ceil(call.arguments.length / 2);
      const { name } = call;
      const head = { index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } };
      response.write(sse(chunk({ tool_calls: [head] })));
      for (const piece of [call.arguments.slice(0, half), call.arguments.slice(half)]) {
        response.write(sse(chunk({ tool_calls: [{ index, function: { arguments: piece } }] })));
      }
    }
    response.write(sse(chunk({}, answer.toolCalls?.length ? 'tool_calls' : 'stop')));
    response.end('data: [DONE]\n\n');
  }

  async #speak(request: { input: string; voice: string; response_format?: string }, response: ServerResponse) {
    const audio = Buffer.alloc(4_801);
    if (this.#misbehaves('speech', response, 'audio/pcm', audio)) return;
    if (request.response_format !== 'pcm' || !request.voice) {
      sendError(response, 400);
      return;
    }
    this.spoken.push(request.input);
    const pcm = (await this.#options.speak?.(request.input)) ?? tone(request.input.length * 65);
    const bytes = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    response.writeHead(200, { 'content-type': 'audio/pcm' });
    // An odd size, so that chunks break inside of samples.
    for (let at = 0; at < bytes.length; at += 9_601) {
      await sleep(this.#options.spacingMs ?? 0);
      if (response.destroyed) return;
      response.write(bytes.subarray(at, at + 9_601));
    }
    response.end();
  }

  #misbehaves(endpoint: FakeEndpoint, response: ServerResponse, type: string, beginning: string | Buffer): boolean {
    const failure = this.failures[endpoint];
    if (failure === undefined) return false;
    if (failure === 'hang') return true;
    if (failure === 'malformed') {
      const inStream = type === 'text/event-stream';
      response.writeHead(200, { 'content-type': inStream ? type : 'text/html' });
      response.end(inStream ? 'data: {"choices": [{"delta": 7}\n\n' : '<html>a proxy says hello</html>');
    } else if (failure === 'cut') {
      response.writeHead(200, { 'content-type': type });
      response.write(beginning, () => setTimeout(() => response.destroy(), 20));
    } else {
      sendError(response, failure.status);
    }
    return true;
  }
}

function chunk(delta: unknown, finishReason: string | null = null): unknown {
  return {
    id: 'chatcmpl-fake',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'fake',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  };
}

function sse(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function sendError(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { message: `fake ${status}`, type: 'fake', code: null, param: null } }));
}

/** 440 Hz, 24 kHz. */
function tone(ms: number): Int16Array {
  return Int16Array.from({ length: ms * 24 }, (_, index) => Math.sin((index * 440 * 2 * Math.PI) / 24_000) * 8_000);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const part of request) chunks.push(part as Buffer);
  return Buffer.concat(chunks);
}
