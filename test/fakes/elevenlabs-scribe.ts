/** ElevenLabs Scribe v2 in real time on loopback. From memory of elevenlabs.io/docs; neither read nor recorded. */
import type { HeardTone } from './tone-words.ts';
import { joined, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'scribe-fake-key';

export function startFakeScribe(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: KEY, keyHeader: 'xi-api-key' },
    { '/v1/speech-to-text/realtime': (peer, fake) => new ScribeDialog(peer, fake).begun() },
  );
}

class ScribeDialog extends WordsDialog {
  #committedSeconds = 0;

  begun(): this {
    this.peer.send({ message_type: 'session_started', session_id: 's', config: {} });
    return this;
  }

  protected override get endpointingSeconds(): number {
    const isVad = this.peer.query.get('commit_strategy') === 'vad';
    return isVad ? Number(this.peer.query.get('vad_silence_threshold_secs')) : Number.POSITIVE_INFINITY;
  }

  protected control(message: Record<string, unknown>): string {
    this.hear(Buffer.from(String(message.audio_base_64), 'base64'));
    if (message.commit !== true) return 'chunk';
    if (this.heardSeconds - this.#committedSeconds < 0.3) {
      this.peer.send({ message_type: 'commit_throttled', error: 'Commit at least 0.3 s.' });
    } else this.turnEnded(this.takeWords());
    return 'commit';
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send({ message_type: 'partial_transcript', text: joined(words) });
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.#committedSeconds = this.heardSeconds;
    this.peer.answer({ message_type: 'committed_transcript', text: joined(words) });
  }
}
