/**
 * Gemini's Live API on loopback: sessions with their memory, resumption by handles, activity by the client's word or by
 * silence, and faults. Its messages come in binary frames, as the service's do. Made from ai.google.dev/api/live and the
 * types of @google/genai; not recorded.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { hearTones } from './tone-words.ts';

export interface GeminiItem {
  readonly role: 'user' | 'model' | 'call' | 'result';
  text: string;
  /** Of what was said aloud. */
  audioMs: number | null;
}

export interface GeminiLiveFaults {
  /** Answer upgrades with this status. */
  refuse?: number;
  /** Never answer. */
  stalls?: boolean;
  /** A message of a wrong shape before each. */
  garbage?: boolean;
  /** Answers end with this reason and nothing else. */
  failReason?: string | null;
  /** Drop the connection after so many chunks of an answer's sound; for the next `cuts` answers. */
  cutAfterChunks?: number;
  cuts?: number;
  /** A handle is refused by the end of the connection. */
  refuseHandles?: boolean;
}

export interface GeminiSetupMessage {
  readonly model: string;
  readonly systemInstruction?: { parts: { text: string }[] };
  readonly realtimeInputConfig?: { automaticActivityDetection?: { disabled?: boolean } };
  readonly sessionResumption?: { handle?: string };
  readonly historyConfig?: { initialHistoryInClientContent?: boolean };
  readonly [field: string]: unknown;
}

interface ClientMessage {
  setup?: GeminiSetupMessage;
  clientContent?: { turns: { role: 'user' | 'model'; parts: Part[] }[]; turnComplete?: boolean };
  realtimeInput?: { audio?: { data: string; mimeType: string }; activityStart?: object; activityEnd?: object };
  toolResponse?: { functionResponses: { id: string; name: string; response: { output: string } }[] };
}
interface Part {
  text?: string;
  functionCall?: { name: string; args: object };
  functionResponse?: { response: { output: string } };
}

const MS_PER_LETTER = 50;
const CHUNK_MS = 100;
const SILENCE_SAMPLES = 16_000 * 0.3;

export class FakeGeminiLive {
  readonly apiKey = 'gemini-fake-key';
  readonly faults: GeminiLiveFaults = {};
  readonly requests: URL[] = [];
  readonly setups: GeminiSetupMessage[] = [];
  spacingMs = 0;
  /** What a handle stands for. */
  readonly saved = new Map<string, GeminiItem[]>();
  readonly dialogs: GeminiDialog[] = [];
  readonly #server: Server = createServer((_request, response) => response.writeHead(404).end());
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #streams = new Set<Duplex>();

  private constructor() {
    this.#server.on('upgrade', (request, stream, head) => {
      this.#streams.add(stream);
      stream.on('close', () => this.#streams.delete(stream));
      stream.on('error', () => {});
      const url = new URL(request.url ?? '', this.url);
      this.requests.push(url);
      const isHere = url.pathname === '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent';
      const status = this.faults.refuse ?? (url.searchParams.get('key') === this.apiKey ? (isHere ? 101 : 404) : 401);
      if (status !== 101) {
        stream.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      this.#sockets.handleUpgrade(request, stream, head, (socket) => this.dialogs.push(new GeminiDialog(socket, this)));
    });
  }

  static async start(): Promise<FakeGeminiLive> {
    const fake = new FakeGeminiLive();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openCount(): number {
    return this.#streams.size;
  }

  /** What the newest connection would answer from, a line each. */
  get context(): string[] {
    const names = { user: 'user: ', model: 'assistant: ', call: 'call ', result: 'result ' };
    const items = this.dialogs.at(-1)?.items ?? [];
    return items.map(({ role, text, audioMs }) => `${names[role]}${text}${audioMs === null ? '' : ` [${audioMs} ms]`}`);
  }

  dropAll(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  async close(): Promise<void> {
    for (const dialog of this.dialogs) dialog.stop();
    this.dropAll();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class GeminiDialog {
  readonly #socket: WebSocket;
  readonly #fake: FakeGeminiLive;
  items: GeminiItem[] = [];
  #timer: NodeJS.Timeout | null = null;
  #detects = false;
  #takesHistory = false;
  #isActive = false;
  #silentSamples = 0;
  #sound: number[] = [];
  #answering = false;

  constructor(socket: WebSocket, fake: FakeGeminiLive) {
    this.#socket = socket;
    this.#fake = fake;
    socket.on('error', () => {});
    socket.on('close', () => this.stop());
    socket.on('message', (data) => this.#take(JSON.parse(data.toString()) as ClientMessage));
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  say(message: object): void {
    if (this.#fake.faults.garbage) this.#socket.send(Buffer.from('{"serverContent": 7}'));
    this.#socket.send(Buffer.from(JSON.stringify(message)));
  }

  #take({ setup, clientContent, realtimeInput, toolResponse }: ClientMessage): void {
    if (setup) this.#setUp(setup);
    if (clientContent) this.#told(clientContent);
    if (realtimeInput?.activityStart) {
      this.#interrupt();
      this.#isActive = true;
      this.#sound = [];
    }
    if (realtimeInput?.audio) this.#hear(Buffer.from(realtimeInput.audio.data, 'base64'));
    if (realtimeInput?.activityEnd) this.#callerStopped();
    for (const { response } of toolResponse?.functionResponses ?? []) {
      this.items.push({ role: 'result', text: response.output, audioMs: null });
      this.#answer(`The tool says ${response.output}.`);
    }
  }

  #setUp(setup: GeminiSetupMessage): void {
    this.#fake.setups.push(setup);
    const handle = setup.sessionResumption?.handle;
    if (handle !== undefined && this.#fake.faults.refuseHandles) {
      this.#socket.close(1007, 'Session not found.');
      return;
    }
    if (handle !== undefined) this.items = this.#fake.saved.get(handle)!.map((item) => ({ ...item }));
    this.#detects = !(setup.realtimeInputConfig?.automaticActivityDetection?.disabled ?? false);
    this.#takesHistory = setup.historyConfig?.initialHistoryInClientContent ?? false;
    this.say({ setupComplete: {} });
  }

  #told({ turns, turnComplete }: NonNullable<ClientMessage['clientContent']>): void {
    for (const { role, parts } of turns) {
      for (const { text, functionCall: call, functionResponse } of parts) {
        const name = call ? `${call.name}(${JSON.stringify(call.args)})` : '';
        if (text !== undefined) this.items.push({ role, text, audioMs: null });
        else if (call) this.items.push({ role: 'call', text: name, audioMs: null });
        else this.items.push({ role: 'result', text: functionResponse!.response.output, audioMs: null });
      }
    }
    const isHistory = this.#takesHistory;
    if (turnComplete) this.#takesHistory = false;
    if (turnComplete && !isHistory) this.#answerTo(this.items.at(-1)!.text);
  }

  #hear(bytes: Buffer): void {
    let peak = 0;
    for (let at = 0; at + 1 < bytes.length; at += 2) {
      const sample = bytes.readInt16LE(at);
      peak = Math.max(peak, Math.abs(sample));
      if (this.#isActive || !this.#detects) this.#sound.push(sample);
    }
    if (!this.#detects) return;
    if (!this.#isActive && peak > 500) {
      this.#interrupt();
      this.#isActive = true;
      this.#sound = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2));
    }
    this.#silentSamples = peak > 500 ? 0 : this.#silentSamples + bytes.length / 2;
    if (this.#isActive && this.#silentSamples >= SILENCE_SAMPLES) this.#callerStopped();
  }

  #callerStopped(): void {
    this.#isActive = false;
    const said = hearTones(Int16Array.from(this.#sound), 16_000)
      .map(({ text }) => text)
      .join(' ');
    this.items.push({ role: 'user', text: said, audioMs: this.#sound.length / 16 });
    this.#sound = [];
    if (this.#fake.faults.stalls) return;
    // In two parts, the second of which need not say that it is the last.
    const half = said.length >> 1;
    for (const text of [said.slice(0, half), said.slice(half)]) {
      if (text !== '') this.say({ serverContent: { inputTranscription: { text } } });
    }
    this.#answerTo(said);
  }

  #answerTo(said: string): void {
    const { failReason, stalls } = this.#fake.faults;
    if (stalls) return;
    if (failReason) {
      this.say({ serverContent: { turnComplete: true, turnCompleteReason: failReason } });
      return;
    }
    const exactly = /say exactly[^"]*"([^"]*)"/i.exec(said);
    if (said === 'seven') {
      this.items.push({ role: 'call', text: 'look_up({"a":1})', audioMs: null });
      this.say({ toolCall: { functionCalls: [{ id: 'call-1', name: 'look_up', args: { a: 1 } }] } });
    } else this.#answer(exactly?.[1] ?? `You said ${said}.`);
  }

  #answer(text: string): void {
    const item: GeminiItem = { role: 'model', text, audioMs: 0 };
    this.items.push(item);
    this.#answering = true;
    this.say({ serverContent: { outputTranscription: { text } } });
    this.#speak(item, text.length * MS_PER_LETTER, 0);
  }

  #speak(item: GeminiItem, totalMs: number, chunks: number): void {
    const { faults, spacingMs } = this.#fake;
    if (chunks >= (faults.cutAfterChunks ?? Number.POSITIVE_INFINITY) && (faults.cuts ?? 0) > 0) {
      faults.cuts!--;
      this.#socket.terminate();
      return;
    }
    const ms = Math.min(CHUNK_MS, totalMs - item.audioMs!);
    if (ms > 0) {
      const data = Buffer.from(new Int16Array(ms * 24).fill(1_000).buffer).toString('base64');
      item.audioMs! += ms;
      const inlineData = { mimeType: 'audio/pcm;rate=24000', data };
      this.say({ serverContent: { modelTurn: { role: 'model', parts: [{ inlineData }] } } });
      const next = () => this.#speak(item, totalMs, chunks + 1);
      if (spacingMs === 0) next();
      else this.#timer = setTimeout(next, spacingMs);
      return;
    }
    this.#answering = false;
    const usageMetadata = {
      ...{ promptTokenCount: 30, responseTokenCount: 20 },
      responseTokensDetails: [{ modality: 'AUDIO', tokenCount: 20 }],
    };
    this.say({ serverContent: { generationComplete: true } });
    this.say({ serverContent: { turnComplete: true }, usageMetadata });
    const newHandle = `handle-${this.#fake.saved.size}`;
    this.#fake.saved.set(
      newHandle,
      this.items.map((each) => ({ ...each })),
    );
    this.say({ sessionResumptionUpdate: { newHandle, resumable: true } });
  }

  #interrupt(): void {
    if (!this.#answering) return;
    this.stop();
    this.#answering = false;
    this.say({ serverContent: { interrupted: true } });
    this.say({ serverContent: { turnComplete: true } });
  }
}
