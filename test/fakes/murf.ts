/** Murf's text-to-speech WebSocket on loopback. After murf.ai/api/docs; not recorded from the service. */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { SpeechSocketFake, type SpeechSocketFakeOptions } from './speaking-socket.ts';

const QUERY = 'sample_rate=24000&format=PCM&channel_type=MONO&model=FALCON';

export class FakeMurf extends SpeechSocketFake {
  readonly #contexts = new Map<WebSocket, Map<string, AbortController>>();

  static start(options: SpeechSocketFakeOptions = {}): Promise<FakeMurf> {
    return new FakeMurf(options).listen();
  }

  protected accept(request: IncomingMessage): number | null {
    if (request.url !== `/v1/speech/stream-input?${QUERY}`) return 404;
    return request.headers['api-key'] === this.apiKey ? null : 401;
  }

  protected onMessage(socket: WebSocket, message: Record<string, unknown>): void {
    const contextId = String(message.context_id);
    const contexts = this.#contexts.get(socket) ?? new Map<string, AbortController>();
    this.#contexts.set(socket, contexts);
    if (message.clear === true) {
      contexts.get(contextId)?.abort();
      if (contexts.delete(contextId)) socket.send(JSON.stringify(this.end(contextId)));
      return;
    }
    const stop = new AbortController();
    contexts.set(contextId, stop);
    const sentence = { contextId, text: String(message.text), sampleRate: 24_000, signal: stop.signal };
    this.speak(socket, sentence).then((done) => {
      if (done) contexts.delete(contextId);
    });
  }

  protected piece(context_id: string, audio: string): unknown[] {
    return [{ context_id, audio }];
  }

  protected end(context_id: string): unknown {
    return { context_id, final: true };
  }

  /** An error that quotes what it should not. */
  protected failure(context_id: string, error_code: number): unknown {
    return { context_id, error_code, error_message: `Fake failure for ${this.apiKey}.` };
  }
}
