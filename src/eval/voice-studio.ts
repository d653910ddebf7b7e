/**
 * What spoken calls share: the server that they go to, one of their own where none is named, libwebrtc
 * and the voices of callers. Made once for a configuration and closed once.
 */
import { Flite } from '../agent/services/tts/flite.ts';
import { type Clip, makeClip } from '../call/clip.ts';
import { loadWebRtc, type WebRtc } from '../call/web-rtc.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/index.ts';
import type { EvalCall } from './eval-call.ts';
import { loadNoise } from './noise.ts';
import { startOwnServer } from './own-server.ts';
import type { Eval } from './read-evals.ts';
import { VoiceCall } from './voice-call.ts';

export interface VoiceStudioOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  readonly url: string | null;
  readonly apiKey: string | null;
}

export interface StudioCallOptions {
  readonly agent: string;
  readonly voice: Eval['voice'];
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

export class VoiceStudio {
  readonly #options: VoiceStudioOptions;
  readonly #url: string;
  readonly #webRtc: WebRtc;
  readonly #stack: AsyncDisposableStack;

  private constructor(options: VoiceStudioOptions, url: string, webRtc: WebRtc, stack: AsyncDisposableStack) {
    this.#options = options;
    this.#url = url;
    this.#webRtc = webRtc;
    this.#stack = stack;
  }

  /** @throws what hinders the server from starting */
  static async open(options: VoiceStudioOptions): Promise<VoiceStudio> {
    await using stack = new AsyncDisposableStack();
    const webRtc = await loadWebRtc();
    const url = options.url ?? stack.use(await startOwnServer(options)).url;
    return new VoiceStudio(options, url, webRtc, stack.move());
  }

  /** @throws ERR_REQUEST_MALFORMED when the noise cannot be used */
  async call({ agent, voice, answerMs, signal }: StudioCallOptions): Promise<EvalCall> {
    const { clock, apiKey, config } = this.#options;
    const noise = voice.noise === null ? null : await loadNoise(voice.noise);
    const flite = new Flite({ ...config.services.flite, voice: voice.accent, clock });
    return new VoiceCall({
      ...{ url: this.#url, apiKey, agent, noise, answerMs, signal, clock, webRtc: this.#webRtc },
      speak: (text) => clipOf(flite, text, signal),
    });
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

async function clipOf(flite: Flite, text: string, signal: AbortSignal): Promise<Clip> {
  const parts: Int16Array[] = [];
  let rate = 16_000;
  for await (const { pcm, sampleRate } of flite.synthesize(text, { signal })) {
    parts.push(pcm);
    rate = sampleRate;
  }
  const all = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return makeClip(`"${text}"`, all, rate);
}
