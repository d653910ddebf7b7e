/** Gladia's live transcription, version 2, on loopback. After docs.gladia.io; not recorded from the service. */
import type { HeardTone } from './tone-words.ts';
import { joined, secondsOf, startWordsFake, WordsDialog, type WordsFake } from './words-dialog.ts';

const KEY = 'gladia-fake-key';

interface Session {
  readonly endpointing: number;
}

export interface GladiaFake extends WordsFake {
  /** Query and body of the sessions that were asked for. */
  readonly asked: { readonly region: string | null; readonly body: Record<string, unknown> }[];
}

export async function startFakeGladia(): Promise<GladiaFake> {
  const sessions = new Map<string, Session>();
  const asked: GladiaFake['asked'] = [];
  const fake = await startWordsFake(
    KEY,
    {
      authorization: null,
      allows: (url) => sessions.has(url.searchParams.get('token') ?? ''),
      answers: (request, text) => {
        const url = new URL(request.url ?? '', 'http://fake');
        if (request.method !== 'POST' || url.pathname !== '/v2/live') return { status: 404, json: null };
        if (request.headers['x-gladia-key'] !== KEY) return { status: 401, json: { message: 'No such key.' } };
        const body = JSON.parse(text) as Record<string, unknown> & Session;
        if (body.sample_rate !== 16_000 || body.encoding !== 'wav/pcm') return { status: 400, json: null };
        asked.push({ region: url.searchParams.get('region'), body });
        const token = `session-${sessions.size}`;
        sessions.set(token, body);
        return { status: 201, json: { id: token, url: `ws://${request.headers.host}/v2/live?token=${token}` } };
      },
    },
    { '/v2/live': (peer, words) => new GladiaDialog(peer, words, sessions).begun() },
  );
  return Object.assign(fake, { asked });
}

class GladiaDialog extends WordsDialog {
  readonly #endpointing: number;
  #utterances = 0;

  constructor(
    peer: ConstructorParameters<typeof WordsDialog>[0],
    fake: WordsFake,
    sessions: ReadonlyMap<string, Session>,
  ) {
    super(peer, fake);
    this.#endpointing = sessions.get(peer.query.get('token') ?? '')!.endpointing;
  }

  begun(): this {
    this.peer.send({ type: 'start_session', session_id: 's' });
    this.peer.send({ type: 'start_recording', session_id: 's' });
    return this;
  }

  protected override get endpointingSeconds(): number {
    return this.#endpointing;
  }

  protected control({ type }: Record<string, unknown>): string {
    if (type === 'stop_recording') {
      const words = this.takeWords();
      if (words.length > 0) this.peer.answer(this.#transcript(words, true));
      this.peer.send({ type: 'end_recording', data: { recording_duration: this.heardSeconds } });
      if (!this.fake.forgetsEmpty) this.peer.send({ type: 'end_session', session_id: 's' });
      this.peer.close(1000);
    }
    return String(type);
  }

  protected interim(words: readonly HeardTone[]): void {
    this.peer.send(this.#transcript(words, false));
  }

  protected turnEnded(words: readonly HeardTone[]): void {
    this.peer.answer(this.#transcript(words, true));
    this.#utterances++;
  }

  #transcript(heard: readonly HeardTone[], is_final: boolean): unknown {
    const words = heard.map(({ text, start, end }) => ({
      ...{ word: ` ${text}`, start: secondsOf(start), end: secondsOf(end), confidence: 0.9 },
    }));
    const [start, end] = [words[0]?.start ?? 0, words.at(-1)?.end ?? 0];
    const utterance = { text: joined(heard), start, end, words, confidence: 0.9, channel: 0, language: 'en' };
    return { type: 'transcript', session_id: 's', data: { id: `00_${this.#utterances}`, is_final, utterance } };
  }
}
