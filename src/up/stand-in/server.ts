/**
 * A stand-in for a provider of AI services, so that a topology can be tried without accounts: OpenAI's HTTP API as far as
 * agents of ours use it for speech to text (by pocketsphinx, for the front desk's sentences) and for language (by the
 * front desk's script). It is no AI service and says so in its answers' headers. Owns the server.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { FRONT_DESK_GRAMMAR } from '../../../agents/front-desk/grammar.ts';
import { PocketSphinx } from '../../agent/services/stt/pocketsphinx.ts';
import { parseWav } from '../../call/wav.ts';
import { type Clock, delay } from '../../clock.ts';
import { AntipodeError, asAntipodeError } from '../../errors.ts';
import type { Logger } from '../../telemetry/index.ts';
import { answerOf, type ChatMessage } from './answers.ts';

export interface StandInOptions {
  port: number;
  /** To understand what was said, beside the work itself. */
  hearMs: number;
  /** To a first word. */
  thinkMs: number;
  command: string;
  modelDir: string;
  clock: Clock;
  log: Logger;
}

interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
  readonly stream?: boolean;
}

const MAX_BODY_BYTES = 16 * 1_024 * 1_024;
const HEADERS = { 'x-antipode': 'a stand-in, no AI service' } as const;

export class StandIn implements AsyncDisposable {
  readonly #options: StandInOptions;
  readonly #ears: PocketSphinx;
  readonly #server: Server;

  private constructor(options: StandInOptions) {
    this.#options = options;
    const { command, modelDir, clock, log } = options;
    this.#ears = new PocketSphinx({ command, modelDir, grammar: FRONT_DESK_GRAMMAR, clock, log });
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#fail(response, error));
    });
  }

  /** @throws ERR_SERVICE_UNAVAILABLE without pocketsphinx's model, ERR_PORT_IN_USE */
  static async start(options: StandInOptions): Promise<StandIn> {
    const standIn = new StandIn(options);
    await standIn.#ears.prepare();
    await new Promise<void>((resolve, reject) => {
      standIn.#server.once('error', (cause) => {
        reject(new AntipodeError('ERR_PORT_IN_USE', `Port ${options.port}: ${cause.message}`, { cause }));
      });
      standIn.#server.listen(options.port, '127.0.0.1', resolve);
    });
    return standIn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    await this.#ears.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    switch (`${request.method} ${request.url}`) {
      case 'POST /v1/audio/transcriptions':
        return this.#hear(body, request.headers['content-type'] ?? '', response);
      case 'POST /v1/chat/completions':
        return this.#think(JSON.parse(body.toString('utf8')) as ChatRequest, response);
      default:
        throw new AntipodeError('ERR_NOT_FOUND', 'The stand-in has /v1/audio/transcriptions and /v1/chat/completions.');
    }
  }

  async #hear(body: Buffer, contentType: string, response: ServerResponse): Promise<void> {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
    const file = form.get('file');
    if (!(file instanceof Blob)) throw new AntipodeError('ERR_REQUEST_MALFORMED', 'file: is missing.');
    const { pcm } = parseWav(Buffer.from(await file.arrayBuffer()));
    const given = new AbortController();
    response.once('close', () => given.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The client gave up.')));
    const utterance = this.#ears.listen({ signal: given.signal });
    utterance.write(pcm);
    const [{ text }] = await Promise.all([
      utterance.finish(),
      delay(this.#options.clock, this.#options.hearMs, given.signal),
    ]);
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' }).end(JSON.stringify({ text }));
  }

  async #think({ messages, tools = [], stream }: ChatRequest, response: ServerResponse): Promise<void> {
    if (stream !== true) throw new AntipodeError('ERR_REQUEST_MALFORMED', 'stream: must be true for the stand-in.');
    const given = new AbortController();
    response.once('close', () => given.abort(new AntipodeError('ERR_SERVICE_FAILED', 'The client gave up.')));
    await delay(this.#options.clock, this.#options.thinkMs, given.signal);
    const names = tools.map((tool) => tool.function.name);
    const answer = answerOf(messages, names, this.#options.clock.date());
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
    response.write(chunk({ role: 'assistant', content: '' }, null));
    if ('tool' in answer) {
      const call = { index: 0, id: 'call_0', type: 'function', function: { name: answer.tool, arguments: '{}' } };
      response.write(chunk({ tool_calls: [call] }, null));
    } else {
      for (const word of answer.text.match(/\S+\s*/g) ?? []) response.write(chunk({ content: word }, null));
    }
    response.write(chunk({}, 'tool' in answer ? 'tool_calls' : 'stop'));
    response.end('data: [DONE]\n\n');
  }

  #fail(response: ServerResponse, cause: unknown): void {
    const error = asAntipodeError(cause);
    if (response.destroyed) return;
    this.#options.log.warn({ err: cause }, 'the stand-in could not answer');
    if (response.headersSent) response.destroy();
    else response.writeHead(error.status, HEADERS).end(JSON.stringify({ error: error.toWire() }));
  }
}

function chunk(delta: object, finish: 'stop' | 'tool_calls' | null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  const event = { id: 'chatcmpl-0', object: 'chat.completion.chunk', created: 0, model: 'stand-in', choices };
  return `data: ${JSON.stringify(event)}\n\n`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES) throw new AntipodeError('ERR_REQUEST_TOO_LARGE', 'The body is too long.');
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}
