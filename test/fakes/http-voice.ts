/**
 * Text to speech by one POST on loopback, as vendors have it: the sound as bytes, in lines of JSON or in events. What a
 * vendor wants and how it packs its sound is told by the test; the voice is of tones, and every way to fail is here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { bodyOf, HttpFake } from './http-fake.ts';
import { type SpokenTone, toneVoice } from './speaking-socket.ts';

export type HttpVoiceFault = { readonly status: number } | 'hang' | 'stall' | 'cut' | 'malformed' | 'half' | 'empty';

/** A piece of the voice. */
export interface VoicePiece {
  readonly pcm: Int16Array;
  readonly sampleRate: number;
  /** Words that begin in it. */
  readonly words: SpokenTone['words'];
  readonly isFirst: boolean;
}

/** What a vendor takes and gives. */
export interface FakeVendor {
  readonly path: string;
  readonly sampleRate: number;
  /** The text that is to be spoken; null for what the vendor refuses with 400. */
  textOf(body: string, request: IncomingMessage): string | null;
  isOurs(request: IncomingMessage, key: string, body: string): boolean;
  readonly contentType: string;
  /** A part of the answer. */
  pack(piece: VoicePiece): string | Buffer;
  /** Behind the last part. @defaultValue nothing */
  readonly end?: string;
  /** What has not the documented shape. */
  readonly malformed: string;
  /** All of the sound is one piece. */
  readonly isWhole?: boolean;
}

const PIECE_MS = 100;

export class FakeHttpVoice extends HttpFake {
  readonly apiKey: string;
  readonly spoken: string[] = [];
  readonly bodies: string[] = [];
  readonly requests: IncomingMessage[] = [];
  fault: HttpVoiceFault | null = null;
  readonly #vendor: FakeVendor;
  readonly #spacingMs: number;

  private constructor(vendor: FakeVendor, apiKey: string, spacingMs: number) {
    super();
    this.#vendor = vendor;
    this.apiKey = apiKey;
    this.#spacingMs = spacingMs;
  }

  static start(vendor: FakeVendor, options: { apiKey: string; spacingMs?: number }): Promise<FakeHttpVoice> {
    return new FakeHttpVoice(vendor, options.apiKey, options.spacingMs ?? 0).listen();
  }

  protected async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await bodyOf(request)).toString('utf8');
    this.requests.push(request);
    this.bodies.push(body);
    this.changed();
    const { fault } = this;
    if (!this.#vendor.isOurs(request, this.apiKey, body)) return this.#refuse(response, 401);
    if (request.url !== this.#vendor.path) return this.#refuse(response, 404);
    const text = this.#vendor.textOf(body, request);
    if (text === null) return this.#refuse(response, 400);
    if (fault === 'hang') return;
    if (typeof fault === 'object' && fault !== null) return this.#refuse(response, fault.status);
    this.spoken.push(text);
    await this.#speak(text, response);
  }

  async #speak(text: string, response: ServerResponse): Promise<void> {
    const { contentType, end = '', malformed } = this.#vendor;
    const { fault } = this;
    response.writeHead(200, { 'content-type': fault === 'malformed' && malformed === '' ? 'text/html' : contentType });
    const pieces = fault === 'empty' ? [] : this.#pieces(text);
    for (const [index, piece] of pieces.entries()) {
      const part = this.#vendor.pack(piece);
      if (fault === 'malformed' || fault === 'half') {
        response.end(fault === 'malformed' ? malformed || '<html>' : half(part));
        return;
      }
      response.write(part);
      if (fault === 'stall') return;
      if (fault === 'cut') {
        // Once the first of it is out.
        setTimeout(() => response.destroy(), 20);
        return;
      }
      if (this.#spacingMs > 0 && index < pieces.length - 1) await sleep(this.#spacingMs);
      if (response.destroyed) return;
    }
    response.end(end);
  }

  #pieces(text: string): VoicePiece[] {
    const { sampleRate, isWhole } = this.#vendor;
    const { pcm, words } = toneVoice(text, sampleRate);
    const step = isWhole ? pcm.length : (sampleRate * PIECE_MS) / 1_000;
    const pieces: VoicePiece[] = [];
    for (let start = 0; start < pcm.length; start += step) {
      const [fromMs, toMs] = [start, start + step].map((samples) => (samples * 1_000) / sampleRate) as [number, number];
      pieces.push({
        pcm: pcm.slice(start, start + step),
        sampleRate,
        words: words.filter(({ startMs }) => startMs >= fromMs && startMs < toMs),
        isFirst: start === 0,
      });
    }
    return pieces;
  }

  /** An error that quotes what it should not. */
  #refuse(response: ServerResponse, status: number): void {
    response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '4' });
    response.end(JSON.stringify({ error: { message: `Fake ${status} for ${this.apiKey}.` } }));
  }
}

export function bytesOf(pcm: Int16Array): Buffer {
  const bytes = Buffer.alloc(pcm.length * 2);
  for (const [index, sample] of pcm.entries()) bytes.writeInt16LE(sample, index * 2);
  return bytes;
}

/** Half a line, or half a sample. */
function half(part: string | Buffer): string | Buffer {
  return typeof part === 'string' ? part.slice(0, 40) : part.subarray(0, 1);
}
