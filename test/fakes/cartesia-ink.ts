/** Cartesia's two sockets for speech to text on loopback. After docs.cartesia.ai; not recorded from the service. */
import type { HeardTone } from './tone-words.ts';
import { joined, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'cartesia-fake-key';
const TURN_SECONDS = 0.5;

export function startFakeInk(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: `Bearer ${KEY}` },
    {
      '/stt/websocket': (peer, fake) => new ManualDialog(peer, fake),
      '/stt/turns/websocket': (peer, fake) => new TurnsDialog(peer, fake).connected(),
    },
  );
}

class ManualDialog extends WordsDialog {
  /** Letters that were told of what was said since the last `finalize`. */
  #told = 0;

  override message(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      super.message(data, isBinary);
      return;
    }
    const command = data.toString();
    this.fake.controls.push(command);
    if (command !== 'finalize' && command !== 'close') this.peer.send({ type: 'error', status_code: 400, title: 'No' });
    this.#tell(this.takeWords(), true);
    this.#told = 0;
    this.peer.answer({ type: command === 'finalize' ? 'flush_done' : 'done', request_id: 'r' });
    if (command === 'close') this.peer.close(1000);
  }

  protected control(): string {
    return '';
  }

  protected interim(words: readonly HeardTone[]): void {
    this.#tell(words, false);
  }

  protected turnEnded(): void {
    // Nobody but us ends turns.
  }

  /** Pieces are cut anywhere, also inside of words; those that came are not told again. */
  #tell(words: readonly HeardTone[], isAll: boolean): void {
    const whole = joined(words);
    const upTo = isAll ? whole.length : Math.max(this.#told, whole.length - 3);
    const text = whole.slice(this.#told, upTo);
    if (text === '') return;
    this.#told = upTo;
    this.peer.send({ type: 'transcript', is_final: true, text, duration: this.heardSeconds, request_id: 'r' });
  }
}

class TurnsDialog extends WordsDialog {
  #inTurn = false;

  connected(): this {
    this.peer.send({ type: 'connected', request_id: 'r' });
    return this;
  }

  protected override get endpointingSeconds(): number {
    return TURN_SECONDS;
  }

  protected control({ type }: Record<string, unknown>): string {
    if (type === 'close') {
      const left = this.takeWords();
      if (left.length > 0) this.turnEnded(left);
      this.peer.close(1000);
    }
    return String(type);
  }

  protected interim(words: readonly HeardTone[]): void {
    if (!this.#inTurn) this.peer.send({ type: 'turn.start', request_id: 'r' });
    this.#inTurn = true;
    this.peer.send({ type: 'turn.update', transcript: joined(words), request_id: 'r' });
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.#inTurn = false;
    this.peer.answer({ type: 'turn.end', transcript: joined(words), request_id: 'r' });
  }
}
