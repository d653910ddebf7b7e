/**
 * Cartesia's text-to-speech WebSocket on loopback: contexts, `continue`, `cancel`, word times, errors as events. By
 * docs.cartesia.ai (api-reference/tts/websocket, use-the-api/api-errors, version 2026-03-01), not recorded from the
 * service itself.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { SpeechSocketFake, type SpeechSocketFakeOptions, type SpokenTone } from './speaking-socket.ts';

interface Context {
  text: string;
  readonly stop: AbortController;
}

export class FakeCartesia extends SpeechSocketFake {
  readonly #contexts = new Map<WebSocket, Map<string, Context>>();

  static start(options: SpeechSocketFakeOptions = {}): Promise<FakeCartesia> {
    return new FakeCartesia(options).listen();
  }

  protected accept(request: IncomingMessage): number | null {
    if (request.url !== '/tts/websocket') return 404;
    if (request.headers.authorization !== `Bearer ${this.apiKey}`) return 401;
    return /^\d{4}-\d\d-\d\d$/.test(String(request.headers['cartesia-version'])) ? null : 400;
  }

  protected onMessage(socket: WebSocket, message: Record<string, unknown>): void {
    const contextId = String(message.context_id);
    const contexts = this.#contexts.get(socket) ?? new Map<string, Context>();
    this.#contexts.set(socket, contexts);
    if (message.cancel === true) {
      contexts.get(contextId)?.stop.abort();
      contexts.delete(contextId);
      return;
    }
    const format = message.output_format as { container: string; encoding: string; sample_rate: number };
    const voice = message.voice as { mode: string; id: string };
    if (format.container !== 'raw' || format.encoding !== 'pcm_s16le' || voice.mode !== 'id' || !message.model_id) {
      socket.send(JSON.stringify(this.failure(contextId, 400)));
      return;
    }
    const context = contexts.get(contextId) ?? { text: '', stop: new AbortController() };
    contexts.set(contextId, context);
    context.text += String(message.transcript);
    if (message.continue === true) return;
    const { text, stop } = context;
    const sentence = { contextId, text, sampleRate: format.sample_rate, signal: stop.signal };
    this.speak(socket, sentence).then((done) => {
      if (done) contexts.delete(contextId);
    });
  }

  /** The audio, then the times of the words that began in it. */
  protected piece(context_id: string, data: string, spoken: SpokenTone, fromMs: number, toMs: number): unknown[] {
    const words = spoken.words.filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
    const chunk = { type: 'chunk', data, done: false, status_code: 206, step_time: 12, context_id };
    if (words.length === 0) return [chunk];
    const word_timestamps = {
      words: words.map(({ text }) => text),
      start: words.map(({ startMs }) => startMs / 1_000),
      end: words.map(({ endMs }) => endMs / 1_000),
    };
    const silent = { type: 'flush_done', done: false, flush_done: true, flush_id: 1, status_code: 206, context_id };
    return [chunk, { type: 'timestamps', done: false, status_code: 206, context_id, word_timestamps }, silent];
  }

  protected end(context_id: string): unknown {
    return { type: 'done', done: true, status_code: 206, context_id };
  }

  /** An error that quotes what it should not. */
  protected failure(context_id: string, status_code: number): unknown {
    const message = `Fake failure for ${this.apiKey}.`;
    return { type: 'error', done: true, title: 'Fake', message, error_code: 'fake', status_code, context_id };
  }
}
