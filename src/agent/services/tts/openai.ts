/** Text to speech by OpenAI's `audio/speech` (and servers that speak it): 24 kHz PCM, passed on as it arrives. */
import { AntipodeError } from '../../../errors.ts';
import { Deadline, type OpenAiOptions, openAiClient } from '../openai-request.ts';
import type { SpeechChunk, Tts } from '../tts.ts';

/** What `response_format: pcm` is, by OpenAI's reference: 24 kHz, 16-bit, little-endian, mono. */
const PCM_SAMPLE_RATE = 24_000;

export class OpenAiTts implements Tts {
  readonly name = 'openai';
  readonly #options: OpenAiOptions;
  readonly #client;

  /** @throws ERR_SERVICE_UNAVAILABLE when there is no key */
  constructor(options: OpenAiOptions) {
    this.#options = options;
    this.#client = openAiClient(options.settings);
  }

  async *synthesize(text: string, options: { signal: AbortSignal }): AsyncIterable<SpeechChunk> {
    const { settings, clock } = this.#options;
    const deadline = new Deadline({ clock, timeoutMs: settings.timeoutMs, signal: options.signal });
    try {
      const response = await this.#client.audio.speech.create(
        { input: text, model: settings.ttsModel, voice: settings.ttsVoice, response_format: 'pcm' },
        { signal: deadline.signal },
      );
      const type = response.headers.get('content-type') ?? '';
      if (response.body === null || /json|text|html/.test(type)) {
        await response.body?.cancel();
        throw new AntipodeError('ERR_SERVICE_FAILED', `OpenAI answered with "${type}" in place of audio.`);
      }
      let samples = 0;
      for await (const pcm of wholeSamples(response.body)) {
        deadline.touch();
        samples += pcm.length;
        yield { pcm, sampleRate: PCM_SAMPLE_RATE };
      }
      deadline.check();
      if (samples === 0) throw new AntipodeError('ERR_SERVICE_FAILED', 'OpenAI answered with no audio.');
    } catch (error) {
      throw deadline.explain(error);
    } finally {
      deadline.close();
    }
  }
}

/** Bytes as they come over the network, cut into whole samples. */
async function* wholeSamples(body: AsyncIterable<Uint8Array>): AsyncIterable<Int16Array> {
  let odd: Uint8Array = new Uint8Array(0);
  for await (const bytes of body) {
    const all = odd.length === 0 ? Buffer.from(bytes) : Buffer.concat([odd, bytes]);
    const pcm = new Int16Array(all.length >> 1);
    for (let index = 0; index < pcm.length; index++) pcm[index] = all.readInt16LE(index * 2);
    odd = all.subarray(pcm.length * 2);
    if (pcm.length > 0) yield pcm;
  }
}
