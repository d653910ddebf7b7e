/**
 * OpenAI's realtime transcription sessions on loopback (`/v1/realtime?intent=transcription`): session.update, audio
 * appended in base64 at 24 kHz, commit, and transcription deltas while and after it. It recognizes what it is really
 * sent (tone-words.ts). Made from the event types of the `openai` package (resources/realtime), not recorded.
 */
import { type HearingDialog, type HearingPeer, HearingServer } from './hearing-socket.ts';
import { type FakeEar, ToneEar } from './tone-words.ts';

export interface RealtimeTranscriptionFaults {
  /** A transcription fails with this event instead of its words. */
  fails?: boolean;
  /** An `error` event with this code answers a commit. */
  errorCode?: string;
}

export interface FakeRealtimeTranscriptionOptions {
  /** From a commit to its words, drawn for each, ms. */
  latency?: () => number;
  /** What it hears an utterance with. @defaultValue an ear for tone words */
  ear?: () => FakeEar;
}

const RATE = 24_000;

export class FakeRealtimeTranscription {
  readonly apiKey = 'sk-fake-key';
  readonly faults: RealtimeTranscriptionFaults = {};
  /** Of every session, as it was asked for. */
  readonly sessions: unknown[] = [];
  commits = 0;
  readonly server: HearingServer;

  readonly ear: () => FakeEar;

  private constructor(server: HearingServer, ear: () => FakeEar) {
    this.server = server;
    this.ear = ear;
  }

  static async start(options: FakeRealtimeTranscriptionOptions = {}): Promise<FakeRealtimeTranscription> {
    let fake: FakeRealtimeTranscription | null = null;
    const server = await HearingServer.start({
      authorization: 'Bearer sk-fake-key',
      latency: options.latency,
      routes: { '/v1/realtime': (peer) => new Dialog(peer, fake!) },
    });
    fake = new FakeRealtimeTranscription(server, options.ear ?? (() => new ToneEar(RATE)));
    return fake;
  }

  get baseUrl(): string {
    return `${this.server.url.replace('ws:', 'http:')}/v1`;
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

interface ClientEvent {
  type: string;
  audio?: string;
  session?: unknown;
}

class Dialog implements HearingDialog {
  readonly #peer: HearingPeer;
  readonly #fake: FakeRealtimeTranscription;
  #audio: FakeEar;
  #item = 0;
  #said = 0;

  constructor(peer: HearingPeer, fake: FakeRealtimeTranscription) {
    this.#peer = peer;
    this.#fake = fake;
    this.#audio = fake.ear();
    peer.send({ type: 'session.created', event_id: 'e', session: {} });
  }

  message(data: Buffer): void {
    const event = JSON.parse(data.toString()) as ClientEvent;
    if (event.type === 'session.update') {
      this.#fake.sessions.push(event.session);
      this.#peer.send({ type: 'session.updated', event_id: 'e', session: event.session });
    } else if (event.type === 'input_audio_buffer.append') {
      const bytes = Buffer.from(event.audio!, 'base64');
      this.#audio.append(Int16Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readInt16LE(index * 2)));
      if (this.#peer.took(bytes.length / 2)) this.#delta(false);
    } else if (event.type === 'input_audio_buffer.commit') this.#commit();
  }

  #commit(): void {
    this.#fake.commits++;
    const { errorCode, fails } = this.#fake.faults;
    const short = this.#audio.length < RATE / 10 ? 'input_audio_buffer_commit_empty' : undefined;
    const code = errorCode ?? short;
    if (code !== undefined) {
      this.#peer.send({ type: 'error', event_id: 'e', error: { type: 'invalid_request_error', code, message: 'no' } });
      return;
    }
    this.#peer.send({ type: 'input_audio_buffer.committed', event_id: 'e', item_id: this.#itemId });
    if (fails) this.#transcription('failed', { error: { code: 'audio_unintelligible' } });
    else {
      this.#delta(true);
      const transcript = this.#words().join(' ');
      this.#transcription('completed', { transcript, usage: { type: 'duration', seconds: 1 } });
    }
    this.#item++;
    this.#audio = this.#fake.ear();
    this.#said = 0;
  }

  /** Words that are new, all but the last unless all are spoken. */
  #delta(all: boolean): void {
    const words = this.#words();
    const upTo = all ? words.length : words.length - 1;
    for (; this.#said < upTo; this.#said++) {
      this.#transcription('delta', { delta: `${this.#said === 0 ? '' : ' '}${words[this.#said]}` });
    }
  }

  #words(): string[] {
    return this.#audio.words(0).map(({ text }) => text);
  }

  #transcription(what: string, more: object): void {
    const type = `conversation.item.input_audio_transcription.${what}`;
    const message = { type, event_id: 'e', item_id: this.#itemId, content_index: 0, ...more };
    if (what === 'delta') this.#peer.send(message);
    else this.#peer.answer(message);
  }

  get #itemId(): string {
    return `item_${this.#item}`;
  }
}
