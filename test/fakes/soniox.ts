/** Soniox's real-time WebSocket on loopback. From memory of soniox.com/docs; neither read nor recorded. */
import type { HeardTone } from './tone-words.ts';
import { msOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'soniox-fake-key';

export function startFakeSoniox(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: null },
    { '/transcribe-websocket': (peer, fake) => new SonioxDialog(peer, fake) },
  );
}

class SonioxDialog extends WordsDialog {
  #detectsTurns = false;
  #configured = false;

  override message(data: Buffer, isBinary: boolean): void {
    // An empty frame ends the stream.
    if (isBinary && data.length === 0) {
      this.peer.send({ tokens: [], finished: true });
      this.peer.close(1000);
    } else super.message(data, isBinary);
  }

  protected control(message: Record<string, unknown>): string {
    if (!this.#configured) {
      this.#configured = true;
      this.#detectsTurns = message.enable_endpoint_detection === true;
      if (message.api_key !== this.fake.apiKey) this.#refuse(401, 'Invalid API key.');
      else if (message.sample_rate !== 16_000 || message.audio_format !== 'pcm_s16le') this.#refuse(400, 'Bad format.');
      return 'config';
    }
    if (message.type === 'finalize') this.#final('<fin>');
    return String(message.type);
  }

  protected override get endpointingSeconds(): number {
    return this.#detectsTurns ? 0.5 : Number.POSITIVE_INFINITY;
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send(this.#message(tokensOf(words, false)));
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.peer.answer(this.#message([...tokensOf(words, true), mark('<end>')]));
  }

  #final(name: string): void {
    const tokens = tokensOf(this.takeWords(), true);
    // Some of it comes before the mark, and a word is cut in two.
    const half = tokens.length >> 1;
    if (half > 0) this.peer.send(this.#message(tokens.slice(0, half)));
    this.peer.answer(this.#message([...tokens.slice(half), mark(name)]));
  }

  #message(tokens: unknown[]): unknown {
    const ms = Math.round(this.heardSeconds * 1_000);
    return { tokens, final_audio_proc_ms: ms, total_audio_proc_ms: ms };
  }

  #refuse(error_code: number, error_message: string): void {
    this.peer.send({ tokens: [], error_code, error_message });
    this.peer.close(1000);
  }
}

function mark(text: string): unknown {
  return { text, is_final: true };
}

/** Each word as two parts, the first with the space before it. */
function tokensOf(words: readonly HeardTone[], is_final: boolean): unknown[] {
  return words.flatMap(({ text, start, end }) => {
    const middle = (start + end) >> 1;
    const times = (from: number, to: number) => ({ start_ms: msOf(from), end_ms: msOf(to), confidence: 0.9, is_final });
    return [
      { text: ` ${text.slice(0, 2)}`, ...times(start, middle) },
      { text: text.slice(2), ...times(middle, end) },
    ].filter((token) => token.text !== '');
  });
}
