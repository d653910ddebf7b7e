/**
 * Soniox's text-to-speech WebSocket on loopback: streams, cancellation, times of characters. After soniox.com/docs; not
 * recorded from the service.
 */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import { SpeechSocketFake, type SpeechSocketFakeOptions, type SpokenTone } from './speaking-socket.ts';

const MAX_STREAMS = 5;

interface Stream {
  text: string;
  readonly sampleRate: number;
  readonly stop: AbortController;
}

export class FakeSonioxTts extends SpeechSocketFake {
  readonly #streams = new Map<WebSocket, Map<string, Stream>>();

  static start(options: SpeechSocketFakeOptions = {}): Promise<FakeSonioxTts> {
    return new FakeSonioxTts(options).listen();
  }

  protected accept(request: IncomingMessage): number | null {
    return request.url === '/tts-websocket' ? null : 404;
  }

  protected onMessage(socket: WebSocket, message: Record<string, unknown>): void {
    const streamId = String(message.stream_id);
    const streams = this.#streams.get(socket) ?? new Map<string, Stream>();
    this.#streams.set(socket, streams);
    const known = streams.get(streamId);
    if (message.cancel === true) {
      known?.stop.abort();
      if (streams.delete(streamId)) socket.send(JSON.stringify(this.end(streamId)));
      return;
    }
    if (known === undefined) {
      const status = message.api_key === this.apiKey ? (streams.size < MAX_STREAMS ? null : 429) : 401;
      if (status !== null || message.audio_format !== 'pcm_s16le') {
        socket.send(JSON.stringify(this.failure(streamId, status ?? 400)));
        return;
      }
      streams.set(streamId, { text: '', sampleRate: Number(message.sample_rate), stop: new AbortController() });
      return;
    }
    known.text += String(message.text);
    if (message.text_end !== true) return;
    const { text, sampleRate, stop } = known;
    this.speak(socket, { contextId: streamId, text, sampleRate, signal: stop.signal }).then((done) => {
      if (done) streams.delete(streamId);
    });
  }

  /** The audio with the characters that begin in it, timed from the beginning of the stream. */
  protected piece(stream_id: string, audio: string, spoken: SpokenTone, fromMs: number, toMs: number): unknown[] {
    const letters = spoken.words
      .flatMap(({ text, startMs, endMs }, index) => {
        const lengthMs = (endMs - startMs) / text.length;
        const word = [...text].map((char, at) => ({ char, startMs: startMs + at * lengthMs, lengthMs }));
        return index === spoken.words.length - 1 ? word : [...word, { char: ' ', startMs: endMs, lengthMs: 0 }];
      })
      .filter(({ startMs }) => startMs >= fromMs && startMs < toMs);
    const timestamps = {
      characters: letters.map(({ char }) => char),
      character_start_times_seconds: letters.map(({ startMs }) => startMs / 1_000),
      character_end_times_seconds: letters.map(({ startMs, lengthMs }) => (startMs + lengthMs) / 1_000),
    };
    return [{ stream_id, audio, ...(letters.length > 0 && { timestamps }) }];
  }

  protected end(stream_id: string): unknown {
    return { stream_id, terminated: true };
  }

  /** An error that quotes what it should not. */
  protected failure(stream_id: string, error_code: number): unknown {
    return { stream_id, error_code, error_message: `Fake failure for ${this.apiKey}.` };
  }
}
