/**
 * The AI services and the ledger of a chaos run, in a process of their own: `node process.ts HOST SEED`. Prints one line
 * of JSON, `ServicesAddresses`, when all listen, and ends when its standard input does.
 */
import { systemClock } from '../../../src/clock.ts';
import { FakeCartesia } from '../../fakes/cartesia.ts';
import { FakeDeepgram } from '../../fakes/deepgram.ts';
import { lognormal } from '../../fakes/lognormal.ts';
import { FakeOpenAiCompatible } from '../../fakes/openai-compatible.ts';
import type { SpokenTone } from '../../fakes/speaking-socket.ts';
import { TcpLink } from '../../wan/tcp-link.ts';
import { numberOf, PAUSE_MS, soundOf, WORD_MS } from '../words/number-sound.ts';
import { answerTo, askedOf } from './brain.ts';
import { Ledger } from './ledger.ts';
import { NumberServicesEar } from './number-services-ear.ts';

export interface ServicesAddresses {
  /** Environment of a core. */
  readonly environment: Readonly<Record<string, string>>;
  readonly ledgerUrl: string;
}

const [host = '127.0.0.1', seedText = '1'] = process.argv.slice(2);
const seed = Number(seedText);
/** Fast services, and even ones: something is being made when something is struck, and what is late is known as late. */
const LATENCY = { stt: { p50Ms: 70, p95Ms: 85 }, llm: { p50Ms: 180, p95Ms: 210 }, tts: { p50Ms: 70, p95Ms: 85 } };
const LLM_WORD_MS = 15;

function voice(text: string, sampleRate: number): SpokenTone {
  const found = text.match(/\S+/g) ?? [];
  const step = ((WORD_MS + PAUSE_MS) * sampleRate) / 1_000;
  const pcm = new Int16Array(found.length * step);
  const words = found.map((word, index) => {
    pcm.set(soundOf(numberOf(word), sampleRate), index * step);
    const startMs = index * (WORD_MS + PAUSE_MS);
    return { text: word, startMs, endMs: startMs + WORD_MS };
  });
  return { pcm, words };
}

const ledger = await Ledger.start();
const deepgram = await FakeDeepgram.start({
  latency: lognormal({ ...LATENCY.stt, seed }),
  ear: () => new NumberServicesEar(),
});
const model = await FakeOpenAiCompatible.start(
  {},
  { latency: lognormal({ ...LATENCY.llm, seed: seed + 1 }), spacing: () => LLM_WORD_MS },
);
model.answerTo = (request) => {
  ledger.asked(askedOf(request));
  return answerTo(request);
};
const cartesia = await FakeCartesia.start({ latency: lognormal({ ...LATENCY.tts, seed: seed + 2 }), voice });

/** The fakes listen on loopback; nodes in other namespaces come in by `host`. */
async function reachable(url: string): Promise<string> {
  if (host === '127.0.0.1') return url;
  const { port, protocol, pathname } = new URL(url);
  const link = await TcpLink.open({
    listen: { host, port: 0 },
    server: { host: '127.0.0.1', port: Number(port) },
    path: { delayMs: 0 },
    clock: systemClock,
  });
  return `${protocol}//${host}:${link.port}${pathname === '/' ? '' : pathname}`;
}

const ledgerUrl = await reachable(`http://127.0.0.1:${ledger.port}`);
const addresses: ServicesAddresses = {
  environment: {
    DEEPGRAM_API_KEY: deepgram.apiKey,
    DEEPGRAM_BASE_URL: await reachable(deepgram.server.url),
    OPENAI_API_KEY: model.apiKey,
    OPENAI_BASE_URL: await reachable(model.baseUrl),
    CARTESIA_API_KEY: cartesia.apiKey,
    CARTESIA_BASE_URL: await reachable(cartesia.baseUrl),
    CHAOS_LEDGER_URL: ledgerUrl,
  },
  ledgerUrl,
};
process.stdout.write(`${JSON.stringify(addresses)}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
// A terminal's Ctrl-C reaches all processes at once; the parent ends its children in order.
process.on('SIGINT', () => {});
