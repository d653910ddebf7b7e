/**
 * ElevenLabs' multi-context text-to-speech WebSocket on loopback: five contexts, flush, close_context, character
 * alignment, `isFinal`. By elevenlabs.io/docs (the AsyncAPI of multi-stream-input and the guide to it), the error for a
 * sixth context by github.com/livekit/agents-js/issues/1985; not recorded from the service itself.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { SpeechSocketFake, type SpeechSocketFakeOptions, type SpokenTone } from './speaking-socket.ts';

interface Context {
  text: string;
  readonly stop: AbortController;
  /** `close_context` came before its audio was out. */
  closing: boolean;
  speaking: boolean;
}

const MAX_CONTEXTS = 5;
const CLOSING_MS = 20;
const ERROR_NAMES: Record<number, string> = {
  401: 'invalid_api_key',
  403: 'forbidden',
  429: 'quota_exceeded',
  500: 'internal_error',
  503: 'system_busy',
};

export class FakeElevenLabs extends SpeechSocketFake {
  /** The most contexts that a connection had at once. */
  mostContexts = 0;
  readonly #contexts = new Map<WebSocket, Map<string, Context>>();

  static start(options: SpeechSocketFakeOptions = {}): Promise<FakeElevenLabs> {
    return new FakeElevenLabs(options).listen();
  }

  protected accept(request: IncomingMessage): number | null {
    if (!/^\/v1\/text-to-speech\/[^/]+\/multi-stream-input\?/.test(request.url ?? '')) return 404;
    return request.headers['xi-api-key'] === this.apiKey ? null : 403;
  }

  protected onMessage(socket: WebSocket, message: Record<string, unknown>, request: IncomingMessage): void {
    const contextId = String(message.context_id);
    const contexts = this.#contexts.get(socket) ?? new Map<string, Context>();
    this.#contexts.set(socket, contexts);
    const known = contexts.get(contextId);
    if (message.close_context === true) {
      if (known === undefined) return;
      if (known.closing || !known.speaking) {
        known.stop.abort();
        // It counts as open until the service has said that it has ended.
        setTimeout(() => {
          contexts.delete(contextId);
          socket.send(JSON.stringify(this.end(contextId)), () => {});
        }, CLOSING_MS);
      }
      known.closing = true;
      return;
    }
    const context = known ?? { text: '', stop: new AbortController(), closing: false, speaking: false };
    contexts.set(contextId, context);
    this.mostContexts = Math.max(this.mostContexts, contexts.size);
    if (contexts.size > MAX_CONTEXTS) {
      const error = 'max_active_conversations';
      socket.send(JSON.stringify({ message: 'Maximum simultaneous contexts exceeded (5).', error, code: 1008 }));
      socket.close(1008);
      return;
    }
    context.text += typeof message.text === 'string' ? message.text : '';
    if (message.flush !== true) return;
    const format = new URL(request.url ?? '', 'ws://fake').searchParams.get('output_format') ?? '';
    context.speaking = true;
    const sentence = {
      contextId,
      text: context.text,
      sampleRate: Number(format.slice(4)),
      signal: context.stop.signal,
    };
    this.speak(socket, sentence).then((done) => {
      if (done) contexts.delete(contextId);
    });
  }

  /** The audio with the characters that begin in it, timed from its own beginning. */
  protected piece(contextId: string, audio: string, spoken: SpokenTone, fromMs: number, toMs: number): unknown[] {
    const characters = spoken.words
      .flatMap(({ text, startMs, endMs }, index) => {
        const lengthMs = (endMs - startMs) / text.length;
        const letters = [...text].map((char, at) => ({ char, startMs: startMs + at * lengthMs, lengthMs }));
        const gapMs = (spoken.words[index + 1]?.startMs ?? endMs) - endMs;
        return gapMs > 0 ? [...letters, { char: ' ', startMs: endMs, lengthMs: gapMs }] : letters;
      })
      .filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
    const alignment = {
      chars: characters.map(({ char }) => char),
      charStartTimesMs: characters.map(({ startMs }) => startMs - fromMs),
      charDurationsMs: characters.map(({ lengthMs }) => lengthMs),
    };
    return [{ audio, contextId, alignment: characters.length > 0 ? alignment : null, normalizedAlignment: null }];
  }

  protected end(contextId: string): unknown {
    return { isFinal: true, contextId };
  }

  /** An error that quotes what it should not. */
  protected failure(contextId: string, status: number): unknown {
    return { message: `Fake failure for ${this.apiKey}.`, error: ERROR_NAMES[status], code: 1008, contextId };
  }
}
