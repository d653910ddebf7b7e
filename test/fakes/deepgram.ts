/**
 * Deepgram's streaming protocols on loopback: `/v1/listen` (Results, Finalize, KeepAlive, CloseStream) and `/v2/listen`
 * (Flux: Connected, TurnInfo, ForceEndTurn, CloseStream). It recognizes what it is really sent (tone-words.ts). Made
 * from Deepgram's reference pages (developers.deepgram.com/reference/speech-to-text, /docs/finalize,
 * /docs/flux/force-end-turn), not recorded from the service.
 */
import { type HearingDialog, type HearingPeer, HearingServer } from './hearing-socket.ts';
import { type FakeEar, type HeardTone, ToneEar } from './tone-words.ts';

export interface DeepgramFaults {
  /** Finalize goes unanswered, as it may when little audio waits. */
  forgetsFinalize?: boolean;
  /** Flux stays connected and tells of no turn any more. */
  stallsTurns?: boolean;
}

export interface FakeDeepgramOptions {
  /** Before an answer at the end of a turn, drawn for each, ms. */
  latency?: () => number;
  /** How far behind the sound the words of interim results of `/v1/listen` are, drawn for each, ms. @defaultValue 0 */
  interimLag?: () => number;
  /** What it hears with. @defaultValue an ear for tone words */
  ear?: () => FakeEar;
}

const RATE = 16_000;

export class FakeDeepgram {
  readonly apiKey = 'dg-fake-key';
  readonly faults: DeepgramFaults = {};
  readonly server: HearingServer;
  /** Samples that came, on all connections. */
  samples = 0;
  /** Types of the JSON messages that came, in order. */
  readonly controls: string[] = [];

  readonly ear: () => FakeEar;
  readonly interimLag: () => number;

  private constructor(server: HearingServer, options: FakeDeepgramOptions) {
    this.server = server;
    this.ear = options.ear ?? (() => new ToneEar(RATE));
    this.interimLag = options.interimLag ?? (() => 0);
  }

  static async start(options: FakeDeepgramOptions = {}): Promise<FakeDeepgram> {
    let fake: FakeDeepgram | null = null;
    const server = await HearingServer.start({
      authorization: 'Token dg-fake-key',
      latency: options.latency,
      routes: {
        '/v1/listen': (peer) => new NovaDialog(peer, fake!),
        '/v2/listen': (peer) => new FluxDialog(peer, fake!),
      },
    });
    fake = new FakeDeepgram(server, options);
    return fake;
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** Bytes of 16-bit little-endian audio, wherever they lie. */
function samplesOf(data: Buffer): Int16Array {
  return Int16Array.from({ length: data.length >> 1 }, (_, index) => data.readInt16LE(index * 2));
}

/** A connection: sound is heard, and messages are noted. */
abstract class Dialog implements HearingDialog {
  protected readonly peer: HearingPeer;
  protected readonly fake: FakeDeepgram;
  protected readonly audio: FakeEar;

  constructor(peer: HearingPeer, fake: FakeDeepgram) {
    this.peer = peer;
    this.fake = fake;
    this.audio = fake.ear();
  }

  message(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.fake.samples += data.length / 2;
      this.audio.append(samplesOf(data));
      if (this.peer.took(data.length / 2)) this.hear();
      return;
    }
    const { type } = JSON.parse(data.toString()) as { type: string };
    this.fake.controls.push(type);
    this.control(type);
  }

  protected abstract hear(): void;
  protected abstract control(type: string): void;
}

class NovaDialog extends Dialog {
  readonly #endpointing: number | null;
  #from = 0;
  #shown = 0;

  constructor(peer: HearingPeer, fake: FakeDeepgram) {
    super(peer, fake);
    const endpointing = peer.query.get('endpointing');
    this.#endpointing = endpointing === 'false' ? null : (Number(endpointing ?? 10) * RATE) / 1_000;
  }

  protected control(type: string): void {
    if (type === 'Finalize' && !this.fake.faults.forgetsFinalize) this.#final({ from_finalize: true });
    if (type === 'CloseStream') {
      this.#final({});
      this.peer.send({ type: 'Metadata', request_id: 'r', duration: this.audio.length / RATE, channels: 1 });
      this.peer.close(1000);
    }
  }

  protected hear(): void {
    const words = this.audio.words(this.#from);
    const last = words.at(-1);
    const silence = this.audio.length - (last?.end ?? this.audio.length);
    const waiting = this.audio.length - this.#from;
    if (last && this.#endpointing !== null && silence >= this.#endpointing) {
      this.#final({ speech_final: true });
    } else if ((last && words.length >= 4 && silence > RATE * 0.05) || (!last && waiting > RATE * 5)) {
      this.#final({});
    } else if (this.audio.length - this.#shown >= RATE * 0.2) {
      this.#shown = this.audio.length;
      this.#interim(words);
    }
  }

  /** Its cursor of the transcript is behind the one of the sound; what is final or awaited has all of it. */
  #interim(words: readonly HeardTone[]): void {
    const until = this.audio.length - Math.round((this.fake.interimLag() * RATE) / 1_000);
    if (until <= this.#from) return;
    const known = words.filter(({ end }) => end <= until);
    this.#results(known, { is_final: false }, until);
  }

  #final(marks: object): void {
    const words = this.audio.words(this.#from);
    this.#results(words, { is_final: true, ...marks });
    this.#from = this.audio.length;
    this.#shown = this.#from;
  }

  #results(words: readonly HeardTone[], marks: object, until = this.audio.length): void {
    // Words that are asked for, or end a turn, are what a caller waits for.
    const isAwaited = 'from_finalize' in marks || 'speech_final' in marks;
    const message = {
      type: 'Results',
      channel_index: [0, 1],
      start: this.#from / RATE,
      duration: (until - this.#from) / RATE,
      speech_final: false,
      ...marks,
      channel: { alternatives: [{ transcript: join(words), confidence: 0.9, words: words.map(withTimes) }] },
    };
    if (isAwaited) this.peer.answer(message);
    else this.peer.send(message);
  }
}

class FluxDialog extends Dialog {
  readonly #eotThreshold: number;
  readonly #eagerThreshold: number | null;
  #turn = 0;
  #from = 0;
  /** Samples that are transcribed: whole windows of 80 ms. */
  #window = 0;
  #state: 'initial' | 'speaking' | 'eager' = 'initial';

  constructor(peer: HearingPeer, fake: FakeDeepgram) {
    super(peer, fake);
    this.#eotThreshold = Number(peer.query.get('eot_threshold') ?? 0.7);
    const eager = peer.query.get('eager_eot_threshold');
    this.#eagerThreshold = eager === null ? null : Number(eager);
    peer.send({ type: 'Connected', request_id: 'r', sequence_id: 0 });
  }

  protected control(type: string): void {
    // Without a turn it is ignored.
    if (type === 'ForceEndTurn' && this.#state !== 'initial') this.#end('manual');
    if (type === 'CloseStream') this.peer.close(1000);
  }

  protected hear(): void {
    while (this.audio.length - this.#window >= RATE / 4) {
      this.#window += RATE / 4;
      this.#step();
    }
  }

  #step(): void {
    const words = this.#words();
    const last = words.at(-1);
    if (this.#state === 'initial') {
      if (last) this.#state = 'speaking';
      this.#say(last ? 'StartOfTurn' : 'Update', 0.1);
      return;
    }
    const silence = (this.#window - (last?.end ?? this.#window)) / RATE;
    // As if the model got surer with the silence: 0.4 after 0.3 s, 0.8 after 0.6 s.
    const confidence = silence >= 0.6 ? 0.8 : silence >= 0.3 ? 0.4 : 0.1;
    if (confidence >= this.#eotThreshold) this.#end('model');
    else if (this.#state === 'eager' && confidence < 0.4) {
      this.#state = 'speaking';
      this.#say('TurnResumed', confidence);
    } else if (this.#state === 'speaking' && this.#eagerThreshold !== null && confidence >= this.#eagerThreshold) {
      this.#state = 'eager';
      this.#say('EagerEndOfTurn', confidence);
    } else this.#say('Update', confidence);
  }

  #end(trigger: 'model' | 'manual'): void {
    this.#say('EndOfTurn', 0.9, { trigger });
    this.#turn++;
    this.#from = this.#window;
    this.#state = 'initial';
  }

  /** Of what is transcribed: audio after the last window does not count. */
  #words(): HeardTone[] {
    return this.audio.words(this.#from).filter(({ end }) => end <= this.#window);
  }

  #say(event: string, confidence: number, more: object = {}): void {
    if (this.fake.faults.stallsTurns) return;
    const words = this.#words();
    const message = {
      type: 'TurnInfo',
      request_id: 'r',
      sequence_id: 1,
      event,
      turn_index: this.#turn,
      audio_window_start: this.#from / RATE,
      audio_window_end: this.#window / RATE,
      transcript: join(words),
      words: words.map(withTimes),
      end_of_turn_confidence: confidence,
      ...more,
    };
    if (event === 'EndOfTurn') this.peer.answer(message);
    else this.peer.send(message);
  }
}

function join(words: readonly HeardTone[]): string {
  return words.map(({ text }) => text).join(' ');
}

function withTimes({ text, start, end }: HeardTone): object {
  return { word: text, start: start / RATE, end: end / RATE, confidence: 0.9 };
}
