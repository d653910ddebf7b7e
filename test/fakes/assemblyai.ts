/** AssemblyAI's streaming version 3 on loopback. From memory of assemblyai.com/docs; neither read nor recorded. */
import type { HeardTone } from './tone-words.ts';
import { joined, msOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'assemblyai-fake-key';

export function startFakeAssemblyAi(): Promise<WordsFake> {
  return startWordsFake(
    KEY,
    { authorization: KEY },
    { '/v3/ws': (peer, fake) => new AssemblyAiDialog(peer, fake).begun() },
  );
}

class AssemblyAiDialog extends WordsDialog {
  #turn = 0;

  begun(): this {
    this.peer.send({ type: 'Begin', id: 'i', expires_at: 1 });
    return this;
  }

  protected override hear(data: Buffer): void {
    const ms = data.length / 32;
    if (ms < 50 || ms > 1_000) {
      this.peer.send({ type: 'Error', error_code: 3007, error: 'Input Duration Violation: between 50 and 1000 ms.' });
      this.peer.close(3007);
      return;
    }
    super.hear(data);
  }

  protected override get endpointingSeconds(): number {
    const most = this.peer.query.get('max_turn_silence');
    return most === null ? 0.4 : Number(most) / 1_000;
  }

  protected control({ type }: Record<string, unknown>): string {
    if (type === 'ForceEndpoint') {
      const words = this.takeWords();
      if (words.length > 0 || !this.fake.forgetsEmpty) this.turnEnded(words);
    } else if (type === 'Terminate') {
      this.peer.send({ type: 'Termination', audio_duration_seconds: this.heardSeconds, session_duration_seconds: 1 });
      this.peer.close(1000);
    }
    return String(type);
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send(this.#message(words, false));
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.peer.answer(this.#message(words, true));
    this.#turn++;
  }

  #message(words: readonly HeardTone[], end_of_turn: boolean): unknown {
    return {
      ...{ type: 'Turn', turn_order: this.#turn, turn_is_formatted: false, end_of_turn, end_of_turn_confidence: 0.5 },
      transcript: end_of_turn ? joined(words) : joined(words.slice(0, -1)),
      words: words.map(({ text, start, end }, index) => ({
        ...{ text, start: msOf(start), end: msOf(end), confidence: 0.9 },
        word_is_final: end_of_turn || index < words.length - 1,
      })),
    };
  }
}
