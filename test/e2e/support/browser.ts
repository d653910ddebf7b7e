/** A real Chromium whose microphone is a WAV file, and a recorder on the <audio> element that plays the agent. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { encodeWav } from './sound.ts';

export interface Caller extends AsyncDisposable {
  page: Page;
  browser: Browser;
  context: BrowserContext;
  /** What the page printed to its console as an error. */
  errors: string[];
}

export const CHROMIUM = process.env.ANTIPODE_CHROMIUM ?? '/usr/bin/chromium';
/** Of a Chromium without a screen, a sound card or a way out. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
];
const CALLER_FLAGS = [
  ...CHROMIUM_FLAGS,
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

export interface CallerOptions {
  /** 16 kHz mono, played once from the moment that the page opens the microphone. */
  microphone: Int16Array;
  viewport?: { width: number; height: number };
}

export async function openBrowser(options: CallerOptions): Promise<Caller> {
  const folder = await mkdtemp(join(tmpdir(), 'antipode-mic-'));
  const file = join(folder, 'microphone.wav');
  await writeFile(file, encodeWav(options.microphone));
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...CALLER_FLAGS, `--use-file-for-fake-audio-capture=${file}%noloop`],
  });
  const context = await browser.newContext({ viewport: options.viewport ?? { width: 1280, height: 900 } });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return {
    page,
    browser,
    context,
    errors,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * Start to record what the page's agent audio element plays, once it plays, also when the page gives it another stream.
 * The samples are what Chromium decoded from the network; nothing of the page's own state is read.
 */
export async function record(page: Page): Promise<{ stop(): Promise<Int16Array> }> {
  await page.waitForFunction(() => {
    const audio = document.querySelector<HTMLAudioElement>('[data-testid=agent-audio]');
    return audio?.srcObject instanceof MediaStream && audio.srcObject.getAudioTracks().length > 0;
  });
  await page.evaluate(() => {
    const audio = document.querySelector<HTMLAudioElement>('[data-testid=agent-audio]') as HTMLAudioElement;
    const context = new AudioContext({ sampleRate: 16_000 });
    const recorder = context.createScriptProcessor(4_096, 1, 1);
    const blocks: Int16Array[] = [];
    recorder.onaudioprocess = (event) => {
      const input = event.inputBuffer.getChannelData(0);
      blocks.push(Int16Array.from(input, (sample) => Math.max(-1, Math.min(1, sample)) * 32_767));
    };
    let playing: MediaProvider | null = null;
    let source: AudioNode | null = null;
    const follow = () => {
      const next = audio.srcObject;
      if (next === playing || !(next instanceof MediaStream)) return;
      source?.disconnect();
      playing = next;
      source = context.createMediaStreamSource(next);
      source.connect(recorder);
    };
    follow();
    setInterval(follow, 10);
    recorder.connect(context.destination);
    Object.assign(window, { antipodeRecording: { context, blocks } });
  });
  return {
    async stop() {
      const samples = await page.evaluate(() => {
        const { context, blocks } = (
          window as unknown as { antipodeRecording: { context: AudioContext; blocks: Int16Array[] } }
        ).antipodeRecording;
        void context.close();
        let binary = '';
        for (const block of blocks) {
          const bytes = new Uint8Array(block.buffer);
          for (let at = 0; at < bytes.length; at += 8_192)
            binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
        }
        return btoa(binary);
      });
      const bytes = Buffer.from(samples, 'base64');
      return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    },
  };
}
