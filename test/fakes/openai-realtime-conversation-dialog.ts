/** One connection to the fake of OpenAI's realtime conversations: its context, its answers, its turn detection. */
import type { WebSocket } from 'ws';
import type { FakeAnswer, FakeItem, FakeRealtimeConversation } from './openai-realtime-conversation.ts';

interface FakeTurnDetection {
  type: string;
  silence_duration_ms?: number;
}

/** What of a session the fake goes by; a test may look at the rest. */
interface FakeSession {
  instructions?: string;
  turn_detection?: FakeTurnDetection | null;
  audio?: { input?: { turn_detection?: FakeTurnDetection | null } };
  [field: string]: unknown;
}

interface CreatedItem {
  type: FakeItem['type'];
  id?: string;
  role?: FakeItem['role'];
  content?: { text?: string }[];
  name?: string;
  call_id?: string;
  arguments?: string;
  output?: string;
}

interface ClientEvent {
  type: string;
  event_id?: string;
  audio?: string;
  item_id?: string;
  audio_end_ms?: number;
  session?: FakeSession;
  response?: { instructions?: string };
  item?: CreatedItem;
}

interface Answering {
  readonly id: string;
  cancelled: boolean;
  item: FakeItem | null;
}

const RATE = 24_000;
const CHUNK_SAMPLES = RATE / 10;
const FRAME_SAMPLES = RATE / 50;
const VOICED_LEVEL = 500;

export class ConversationDialog {
  readonly #socket: WebSocket;
  readonly #fake: FakeRealtimeConversation;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly items: FakeItem[] = [];
  /** As the client has set it up. */
  session: FakeSession = {};
  #audio: number[] = [];
  #answering: Answering | null = null;
  #ids = 0;
  /** The service's own turn detection. */
  #speaking: { itemId: string; silentFrames: number } | null = null;

  constructor(socket: WebSocket, fake: FakeRealtimeConversation) {
    this.#socket = socket;
    this.#fake = fake;
    socket.on('error', () => {});
    socket.on('close', () => this.stop());
    socket.on('message', (data) => this.#take(JSON.parse(data.toString()) as ClientEvent));
    this.#send({ type: 'session.created', session: {} });
  }

  get isAnswering(): boolean {
    return this.#answering !== null;
  }

  /** Samples of the caller that wait to be committed. */
  get uncommitted(): number {
    return this.#audio.length;
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  drop(): void {
    this.#socket.terminate();
    this.stop();
  }

  /** Say something out of the order. */
  say(event: object): void {
    this.#send(event);
  }

  #later(ms: number, run: () => void): void {
    if (ms === 0) {
      run();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #send(event: object): void {
    const { silent, garbage } = this.#fake.faults;
    if (silent) return;
    if (garbage === 'json') this.#socket.send('{"type": "response.out');
    if (garbage === 'shape') this.#socket.send('{"type": "response.done", "response": 7}');
    this.#socket.send(JSON.stringify({ event_id: `event_${this.#ids++}`, ...event }));
  }

  #error(code: string, to?: ClientEvent, type = 'invalid_request_error'): void {
    this.#send({ type: 'error', error: { type, code, message: 'No.', param: null, event_id: to?.event_id ?? null } });
  }

  #take(event: ClientEvent): void {
    this.#fake.received.push(event as { type: string });
    switch (event.type) {
      case 'session.update': {
        const { sessionErrorCode } = this.#fake.faults;
        if (sessionErrorCode) {
          this.#error(sessionErrorCode, event);
          return;
        }
        this.session = { ...this.session, ...event.session };
        this.#send({ type: 'session.updated', session: this.session });
        return;
      }
      case 'input_audio_buffer.append':
        this.#hear(Buffer.from(event.audio!, 'base64'));
        return;
      case 'input_audio_buffer.clear':
        this.#audio = [];
        this.#send({ type: 'input_audio_buffer.cleared' });
        return;
      case 'input_audio_buffer.commit':
        if (this.#audio.length < RATE / 10) this.#error('input_audio_buffer_commit_empty', event);
        else this.#commit(this.#id('item'));
        return;
      case 'conversation.item.create':
        this.#create(event.item!);
        return;
      case 'conversation.item.truncate':
        this.#truncate(event);
        return;
      case 'conversation.item.delete': {
        const at = this.items.findIndex(({ id }) => id === event.item_id);
        if (at === -1) {
          this.#error('item_delete_invalid_item_id', event);
          return;
        }
        this.items.splice(at, 1);
        this.#send({ type: 'conversation.item.deleted', item_id: event.item_id });
        return;
      }
      case 'response.cancel':
        if (this.#answering === null) this.#error('response_cancel_not_active', event);
        else this.#cancel('client_cancelled');
        return;
      case 'response.create':
        this.#respond(event);
        return;
      default:
        this.#error('unknown_event', event);
    }
  }

  get #turnDetection(): FakeTurnDetection | null {
    return this.session.audio?.input?.turn_detection ?? this.session.turn_detection ?? null;
  }

  #hear(bytes: Buffer): void {
    for (let at = 0; at + 1 < bytes.length; at += 2) this.#audio.push(bytes.readInt16LE(at));
    if (this.#turnDetection !== null) this.#detect(bytes);
  }

  #detect(bytes: Buffer): void {
    let peak = 0;
    for (let at = 0; at + 1 < bytes.length; at += 2) peak = Math.max(peak, Math.abs(bytes.readInt16LE(at)));
    const voiced = peak > VOICED_LEVEL;
    if (this.#speaking === null) {
      if (!voiced) {
        this.#audio.splice(0, Math.max(0, this.#audio.length - 15 * FRAME_SAMPLES));
        return;
      }
      this.#speaking = { itemId: this.#id('item'), silentFrames: 0 };
      this.#send({ type: 'input_audio_buffer.speech_started', item_id: this.#speaking.itemId, audio_start_ms: 0 });
      if (this.#answering !== null) this.#cancel('turn_detected');
      return;
    }
    this.#speaking.silentFrames = voiced ? 0 : this.#speaking.silentFrames + bytes.length / 2 / FRAME_SAMPLES;
    if (this.#speaking.silentFrames < (this.#turnDetection!.silence_duration_ms ?? 500) / 20) return;
    const { itemId } = this.#speaking;
    this.#speaking = null;
    this.#send({ type: 'input_audio_buffer.speech_stopped', item_id: itemId, audio_end_ms: 0 });
    this.#commit(itemId);
    this.#respond({ type: 'response.create' });
  }

  #commit(itemId: string): void {
    const { options, faults } = this.#fake;
    const text = options.hear(Int16Array.from(this.#audio));
    const audioMs = (this.#audio.length * 1_000) / RATE;
    this.#audio = [];
    this.#send({ type: 'input_audio_buffer.committed', item_id: itemId, previous_item_id: null });
    this.#add({ id: itemId, type: 'message', role: 'user', text, audioMs });
    if (faults.transcripts === 'none') return;
    const type = 'conversation.item.input_audio_transcription';
    const of = { item_id: itemId, content_index: 0 };
    this.#later(options.transcriptDelayMs, () => {
      if (faults.transcripts === 'fail') {
        this.#send({ type: `${type}.failed`, ...of, error: { code: 'audio_unintelligible' } });
        return;
      }
      const first = text.split(' ')[0]!;
      this.#send({ type: `${type}.delta`, ...of, delta: first });
      this.#send({ type: `${type}.completed`, ...of, transcript: text, usage: { type: 'duration', seconds: 1 } });
    });
  }

  #create(item: CreatedItem): void {
    const id = item.id ?? this.#id('item');
    const text = (item.content ?? []).map((part) => part.text ?? '').join('');
    if (item.type === 'message') this.#add({ id, type: 'message', role: item.role, text, audioMs: null });
    else if (item.type === 'function_call') {
      this.#add({
        id,
        type: item.type,
        name: item.name,
        callId: item.call_id,
        text: item.arguments ?? '',
        audioMs: null,
      });
    } else
      this.#add({ id, type: 'function_call_output', callId: item.call_id, text: item.output ?? '', audioMs: null });
  }

  #add(item: FakeItem): void {
    this.items.push(item);
    this.#send({ type: 'conversation.item.added', item: { id: item.id, type: item.type } });
  }

  #truncate(event: ClientEvent): void {
    const item = this.items.find(({ id }) => id === event.item_id);
    const endMs = event.audio_end_ms ?? 0;
    if (item?.audioMs == null || endMs === 0 || this.#fake.faults.refuseTruncation) {
      this.#error('unsupported_content_type', event);
      return;
    }
    if (endMs > item.audioMs) {
      this.#error('invalid_value', event);
      return;
    }
    item.audioMs = endMs;
    item.text = '';
    item.truncated = true;
    this.#send({ type: 'conversation.item.truncated', item_id: item.id, content_index: 0, audio_end_ms: endMs });
  }

  #cancel(reason: string): void {
    const answering = this.#answering!;
    answering.cancelled = true;
    this.stopAnswer(answering, 'cancelled', { type: 'cancelled', reason });
  }

  #respond(event: ClientEvent): void {
    const { faults, options } = this.#fake;
    if (this.#answering !== null) {
      this.#error('conversation_already_has_active_response', event);
      return;
    }
    if (faults.errorCode) {
      this.#error(faults.errorCode, event);
      return;
    }
    if (faults.stalls) {
      faults.stalls--;
      return;
    }
    const answering: Answering = { id: this.#id('resp'), cancelled: false, item: null };
    this.#answering = answering;
    const instructions = event.response?.instructions ?? this.session.instructions ?? '';
    this.#send({ type: 'response.created', response: { id: answering.id, status: 'in_progress', output: [] } });
    this.#later(options.latencyMs, () => {
      if (answering.cancelled) return;
      const said = this.items.findLast(({ role }) => role === 'user')?.text ?? '';
      void this.#answer(answering, options.answer({ instructions, items: this.items, said }));
    });
  }

  async #answer(answering: Answering, answer: FakeAnswer): Promise<void> {
    const { options } = this.#fake;
    if (answer.fail !== undefined) {
      this.stopAnswer(answering, 'failed', { type: 'failed', error: { type: 'server_error', code: answer.fail } });
      return;
    }
    const pcm = answer.say ? await options.voice(answer.say) : new Int16Array(0);
    if (answering.cancelled) return;
    if (pcm.length > 0) {
      const item: FakeItem = {
        id: this.#id('item'),
        type: 'message',
        role: 'assistant',
        text: answer.say!,
        audioMs: 0,
      };
      answering.item = item;
      this.#send({
        type: 'response.output_item.added',
        ...this.#of(answering),
        item: { id: item.id, type: 'message', status: 'in_progress' },
      });
      this.#add(item);
      this.#send({ type: 'response.content_part.added', ...this.#of(answering), item_id: item.id, part: {} });
    }
    this.#speak(answering, answer, pcm, 0);
  }

  #of(answering: Answering): object {
    return { response_id: answering.id, output_index: 0, content_index: 0 };
  }

  /** A chunk with its share of the words, then the next one. */
  #speak(answering: Answering, answer: FakeAnswer, pcm: Int16Array, at: number): void {
    if (answering.cancelled) return;
    const { faults, options } = this.#fake;
    if (at >= pcm.length) {
      this.#finish(answering, answer);
      return;
    }
    const item = answering.item!;
    const chunk = pcm.subarray(at, at + CHUNK_SAMPLES);
    const letter = (sample: number) => Math.round((Math.min(sample, pcm.length) / pcm.length) * answer.say!.length);
    const delta = answer.say!.slice(letter(at), letter(at + CHUNK_SAMPLES));
    const of = { ...this.#of(answering), item_id: item.id };
    this.#send({ type: 'response.output_audio_transcript.delta', ...of, delta });
    const audio = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('base64');
    this.#send({ type: 'response.output_audio.delta', ...of, delta: audio });
    item.audioMs! += (chunk.length * 1_000) / RATE;
    const cuts = faults.cuts ?? 0;
    if (faults.cutAfterChunks !== undefined && cuts > 0 && at / CHUNK_SAMPLES + 1 >= faults.cutAfterChunks) {
      faults.cuts = cuts - 1;
      // What was sent is still to arrive.
      this.#socket.close(1011);
      this.stop();
      return;
    }
    this.#later(options.spacingMs, () => this.#speak(answering, answer, pcm, at + CHUNK_SAMPLES));
  }

  #finish(answering: Answering, answer: FakeAnswer): void {
    const output = (answer.calls ?? []).map(({ name, arguments: written }) => {
      const call = { id: this.#id('item'), call_id: this.#id('call'), name, arguments: written };
      this.#add({ id: call.id, type: 'function_call', name, callId: call.call_id, text: written, audioMs: null });
      const of = { ...this.#of(answering), item_id: call.id };
      const { call_id, arguments: whole } = call;
      this.#send({ type: 'response.function_call_arguments.done', ...of, call_id, name, arguments: whole });
      const item = { ...call, type: 'function_call', status: 'completed' };
      this.#send({ type: 'response.output_item.done', ...this.#of(answering), item });
      return item;
    });
    this.stopAnswer(answering, answer.status ?? 'completed', null, output);
  }

  stopAnswer(answering: Answering, status: string, details: object | null, output: object[] = []): void {
    if (this.#answering === answering) this.#answering = null;
    this.#send({
      type: 'rate_limits.updated',
      rate_limits: [{ name: 'tokens', limit: 1_000, remaining: 900, reset_seconds: 1 }],
    });
    this.#send({
      type: 'response.done',
      response: {
        id: answering.id,
        status,
        status_details: details,
        output,
        usage: {
          total_tokens: 150,
          input_tokens: 100,
          output_tokens: 50,
          input_token_details: { text_tokens: 60, audio_tokens: 40, cached_tokens: 10 },
          output_token_details: { text_tokens: 20, audio_tokens: 30 },
        },
      },
    });
  }

  #id(kind: string): string {
    return `${kind}_${this.#ids++}`;
  }
}
