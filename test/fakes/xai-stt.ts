/** xAI's streaming speech to text on loopback. After docs.x.ai; not recorded from the service. */
import type { HeardTone } from './tone-words.ts';
import { joined, secondsOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'xai-fake-key';
/** Words of an utterance that goes on are locked when there are so many. */
const LOCKED_WORDS = 4;

export function startFakeXaiStt(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: `Bearer ${KEY}` },
    { '/v1/stt': (peer, fake) => new XaiDialog(peer, fake).created() },
  );
}

class XaiDialog extends WordsDialog {
  #locked = 0;

  created(): this {
    this.peer.send({ type: 'transcript.created' });
    return this;
  }

  protected override get endpointingSeconds(): number {
    return Number(this.peer.query.get('endpointing')) / 1_000;
  }

  protected control({ type }: Record<string, unknown>): string {
    if (type === 'audio.done') {
      const left = this.takeWords();
      this.peer.answer({
        type: 'transcript.done',
        text: joined(left),
        words: words(left),
        duration: this.heardSeconds,
      });
      this.peer.close(1000);
    }
    return String(type);
  }

  protected interim(heard: readonly HeardTone[]): void {
    const open = heard.slice(this.#locked);
    if (open.length > LOCKED_WORDS) {
      this.peer.send(partial(open.slice(0, LOCKED_WORDS), true, false));
      this.#locked += LOCKED_WORDS;
    } else this.peer.send(partial(open, false, false));
  }

  protected turnEnded(heard: readonly HeardTone[]): void {
    this.#locked = 0;
    this.peer.answer(partial(heard, true, true));
  }
}

function partial(heard: readonly HeardTone[], is_final: boolean, speech_final: boolean): unknown {
  const start = secondsOf(heard[0]?.start ?? 0);
  const duration = secondsOf(heard.at(-1)?.end ?? 0) - start;
  return {
    type: 'transcript.partial',
    text: joined(heard),
    words: words(heard),
    is_final,
    speech_final,
    start,
    duration,
  };
}

function words(heard: readonly HeardTone[]): unknown {
  return heard.map(({ text, start, end }) => ({ text, start: secondsOf(start), end: secondsOf(end) }));
}
