/**
 * What the fakes of streaming speech to text share besides the socket: sound is heard as words, interim ones are told
 * every 200 ms of it, and what is asked for is told at once. The words on the wire are each fake's own.
 */
import { type HearingDialog, type HearingPeer, HearingServer, type HearingServerOptions } from './hearing-socket.ts';
import { type HeardTone, ToneEar } from './tone-words.ts';

const RATE = 16_000;
const INTERIM_SAMPLES = RATE / 5;

/** A fake service: its server, and what came. */
export interface WordsFake {
  readonly apiKey: string;
  readonly server: HearingServer;
  /** Names of the messages that came, in order. */
  readonly controls: string[];
  /** Requests for final words go unanswered where there are none; of a session's end only its socket tells. */
  forgetsEmpty: boolean;
  close(): Promise<void>;
}

export async function startWordsFake(
  apiKey: string,
  options: Omit<HearingServerOptions, 'routes'>,
  routes: Readonly<Record<string, (peer: HearingPeer, fake: WordsFake) => HearingDialog>>,
): Promise<WordsFake> {
  let fake: WordsFake | null = null;
  const bound = Object.fromEntries(
    Object.entries(routes).map(([path, open]) => [path, (peer: HearingPeer) => open(peer, fake!)]),
  );
  const server = await HearingServer.start({ ...options, routes: bound });
  fake = { apiKey, server, controls: [], forgetsEmpty: false, close: () => server.close() };
  return fake;
}

export abstract class WordsDialog implements HearingDialog {
  protected readonly peer: HearingPeer;
  protected readonly fake: WordsFake;
  readonly #ear = new ToneEar(RATE);
  #from = 0;
  #shown = 0;

  constructor(peer: HearingPeer, fake: WordsFake) {
    this.peer = peer;
    this.fake = fake;
  }

  message(data: Buffer, isBinary: boolean): void {
    if (isBinary) this.hear(data);
    else {
      const message = JSON.parse(data.toString()) as Record<string, unknown>;
      this.fake.controls.push(this.control(message));
    }
  }

  /** Sound, 16 bit little-endian. */
  protected hear(data: Buffer): void {
    this.#ear.append(Int16Array.from({ length: data.length >> 1 }, (_, index) => data.readInt16LE(index * 2)));
    if (!this.peer.took(data.length / 2)) return;
    const words = this.#ear.words(this.#from);
    const last = words.at(-1);
    const silentSeconds = (this.#ear.length - (last?.end ?? this.#ear.length)) / RATE;
    if (last !== undefined && silentSeconds >= this.endpointingSeconds) {
      this.turnEnded(this.takeWords());
    } else if (this.#ear.length - this.#shown >= INTERIM_SAMPLES) {
      this.#shown = this.#ear.length;
      if (last !== undefined) this.interim(words);
    }
  }

  /** Silence that ends a turn; none does by default. */
  protected get endpointingSeconds(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** The words that were not taken yet; they are told no more. */
  protected takeWords(): HeardTone[] {
    const words = this.#ear.words(this.#from);
    this.#from = this.#ear.length;
    this.#shown = this.#from;
    return words;
  }

  protected get heardSeconds(): number {
    return this.#ear.length / RATE;
  }

  /** @returns its name, for tests */
  protected abstract control(message: Record<string, unknown>): string;
  protected abstract interim(words: readonly HeardTone[]): void;
  protected abstract turnEnded(words: readonly HeardTone[]): void;
}

export const secondsOf = (samples: number): number => samples / RATE;
export const msOf = (samples: number): number => Math.round((samples * 1_000) / RATE);
export const joined = (words: readonly HeardTone[]): string => words.map(({ text }) => text).join(' ');
