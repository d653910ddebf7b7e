/** Speechmatics' real-time API on loopback. From memory of docs.speechmatics.com (rt-api-ref); neither read nor recorded. */
import type { HeardTone } from './tone-words.ts';
import { joined, secondsOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'speechmatics-fake-key';

export function startFakeSpeechmatics(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: `Bearer ${KEY}` },
    { '/v2': (peer, fake) => new SpeechmaticsDialog(peer, fake) },
  );
}

interface StartRecognition {
  readonly transcription_config?: {
    readonly conversation_config?: { readonly end_of_utterance_silence_trigger: number };
  };
}

class SpeechmaticsDialog extends WordsDialog {
  #silence = Number.POSITIVE_INFINITY;
  #messages = 0;

  protected override hear(data: Buffer): void {
    this.#messages++;
    this.peer.send({ message: 'AudioAdded', seq_no: this.#messages });
    super.hear(data);
  }

  protected override get endpointingSeconds(): number {
    return this.#silence;
  }

  protected control(message: Record<string, unknown>): string {
    switch (message.message) {
      case 'StartRecognition': {
        const { transcription_config: config } = message as StartRecognition;
        this.#silence = config?.conversation_config?.end_of_utterance_silence_trigger ?? Number.POSITIVE_INFINITY;
        this.peer.send({ message: 'RecognitionStarted', id: 'i', language_pack_info: {} });
        break;
      }
      case 'ForceEndOfUtterance': {
        const words = this.takeWords();
        if (words.length > 0 || !this.fake.forgetsEmpty) this.turnEnded(words);
        break;
      }
      case 'EndOfStream': {
        const words = this.takeWords();
        if (words.length > 0) this.peer.send(transcript('AddTranscript', words, this.heardSeconds));
        this.peer.answer({ message: 'EndOfTranscript' });
        this.peer.close(1000);
      }
    }
    return String(message.message);
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send(transcript('AddPartialTranscript', words, this.heardSeconds));
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.peer.send(transcript('AddTranscript', words, this.heardSeconds));
    this.peer.answer({
      message: 'EndOfUtterance',
      metadata: { start_time: this.heardSeconds, end_time: this.heardSeconds },
    });
  }
}

function transcript(message: string, words: readonly HeardTone[], end_time: number): unknown {
  return {
    ...{ message, format: '2.9', metadata: { start_time: 0, end_time, transcript: joined(words) } },
    results: words.map(({ text, start, end }) => ({
      ...{ type: 'word', start_time: secondsOf(start), end_time: secondsOf(end) },
      alternatives: [{ content: text, confidence: 0.9, language: 'en' }],
    })),
  };
}
