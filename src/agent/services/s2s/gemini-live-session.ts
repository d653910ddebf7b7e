/**
 * One conversation with Gemini's Live API over one connection after the other. Keeps what was said and tells it to each
 * new connection, or takes the service's own memory of it by a resumption handle when nothing has happened since.
 *
 * The service cannot be told to forget: an answer that the caller cut off is corrected by a new connection, which knows
 * of it what was heard; it is opened while the caller speaks. With the service's own turn detection it keeps its own
 * version of such an answer, since the caller's words are on their way to it already.
 */

import type { Timer } from '../../../clock.ts';
import { AntipodeError, type ErrorCode } from '../../../errors.ts';
import type { ServiceRun } from '../../observe/observation.ts';
import type { S2sEvent, S2sHeard, S2sOpenOptions, S2sSession } from '../s2s.ts';
import { type GeminiLiveSettings, geminiAddress } from './gemini-live.ts';
import { GeminiLiveCaller } from './gemini-live-caller.ts';
import {
  askMessage,
  contentsOf,
  declarationsOf,
  failedReason,
  GEMINI_RATES,
  type GeminiContent,
  type GeminiMessage,
  historyMessage,
  readGemini,
  resultMessage,
  setupMessage,
  usageOf,
} from './gemini-live-messages.ts';
import { LastingLink } from './lasting-link.ts';
import type { RealtimeUsage } from './realtime-events.ts';
import { RealtimeRequest } from './realtime-request.ts';
import { type AgentPart, type CallerPart, SessionMemory } from './session-memory.ts';

/** What asks for an answer: the end of the caller's turn, or words. */
type Wish = { readonly by: 'turn' } | { readonly by: 'words'; readonly words: string };

interface Reply {
  readonly memory: AgentPart;
  /** Calls whose results are owed, with the names of their tools. */
  readonly owed: Map<string, string>;
  ms: number;
}

const GO_ON =
  '[Not from the caller: the connection broke while you spoke. Your last words above were heard. Go on from there, ' +
  'without repeating them and without saying that anything happened.]';

export class GeminiLiveSession implements S2sSession {
  readonly #settings: GeminiLiveSettings;
  readonly #open: S2sOpenOptions;
  readonly #link: LastingLink;
  readonly #memory: SessionMemory;
  readonly #caller: GeminiLiveCaller;
  readonly #turns: 'ours' | 'service';
  #instructions: string;
  #tools: readonly object[];
  #wanted: Wish | null = null;
  #owed: Wish | null = null;
  #request: RealtimeRequest | null = null;
  #reply: Reply | null = null;
  /** The last one that was whole; the caller may still hear it. */
  #ended: Reply | null = null;
  #usage: RealtimeUsage | null = null;
  #handle: string | null = null;
  #isResumed = false;
  /** As soon as nothing is under way: the service goes away, or is to be set up differently. */
  #wantsRenewal = false;
  #isAway = false;
  #isClosed = false;
  #timer: Timer | null = null;

  constructor(settings: GeminiLiveSettings, open: S2sOpenOptions) {
    this.#settings = settings;
    this.#open = open;
    this.#turns = open.turns ?? 'ours';
    this.#instructions = open.instructions;
    this.#tools = declarationsOf(open.tools);
    this.#memory = new SessionMemory(open.history);
    this.#caller = new GeminiLiveCaller({
      turns: this.#turns,
      memory: this.#memory,
      isConnected: () => this.#link.established,
      isAnswering: () => this.#request !== null,
      send: (message) => this.#send(message),
      emit: (event) => this.#emit(event),
      onActive: () => {
        this.#handle = null;
      },
    });
    const { clock, label, connectTimeoutMs: establishTimeoutMs, heartbeatMs, reconnectForMs, maxLosses } = settings;
    let isRefused = false;
    this.#link = new LastingLink({
      ...{ clock, reconnectForMs, maxLosses },
      handlers: {
        target: () => ({
          ...{ label, url: geminiAddress(settings), headers: {}, establishTimeoutMs, heartbeatMs, takesBinary: true },
        }),
        waitMs: () => (isRefused ? Number.POSITIVE_INFINITY : 0),
        ended: (_error, final) => {
          isRefused = final;
        },
        opened: () => this.#setUp(),
        message: (value) => this.#receive(value),
        lost: (error) => this.#lost(error),
        died: (error) => this.#died(error),
      },
    });
  }

  connect(): void {
    if (this.#open.signal.aborted) {
      this.close();
      return;
    }
    this.#open.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#link.connect();
  }

  readonly #onAbort = (): void => this.close();

  audio(pcm: Int16Array): void {
    if (!this.#isClosed && pcm.length > 0) this.#caller.hear(pcm);
  }

  endTurn(): number {
    const utterance = this.#caller.end();
    this.#want({ by: 'turn' });
    return utterance;
  }

  discard(): void {
    if (this.#owed !== null || this.#reply !== null) this.interrupt({ playedMs: 0, words: '' });
    if (this.#caller.discard()) this.#rewind();
  }

  text(words: string): void {
    this.#memory.typed(words);
    this.#want({ by: 'words', words });
  }

  respond(instructions?: string): void {
    const words = instructions ?? 'Speak first, by your instructions.';
    this.#want({ by: 'words', words: `[Not from the caller: ${words}]` });
  }

  #want(wish: Wish): void {
    if (this.#isClosed) return;
    this.#ended = null;
    this.#wanted = wish;
    this.#owed = wish;
    this.#pump();
  }

  #pump(): void {
    this.#caller.stream();
    const wish = this.#wanted;
    if (wish === null || this.#request !== null || !this.#link.established) return;
    if ((this.#reply?.owed.size ?? 0) > 0) return;
    this.#wanted = null;
    this.#handle = null;
    this.#begins();
    if (wish.by === 'words') this.#send(askMessage(wish.words));
    else this.#caller.ask();
  }

  #begins(): void {
    this.#request = new RealtimeRequest(null, this.#settings.clock.now());
    this.#usage = null;
    this.#touch();
  }

  /** The time of an answer of which nothing comes runs anew; not while we owe the results of tools. */
  #touch(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#request === null || (this.#reply?.owed.size ?? 0) > 0) return;
    const { clock, label, replyTimeoutMs } = this.#settings;
    this.#timer = clock.setTimeout(() => {
      this.#link.fail('ERR_SERVICE_TIMEOUT', `${label} said nothing for ${replyTimeoutMs} ms.`);
    }, replyTimeoutMs);
  }

  interrupt(heard: S2sHeard): void {
    const reply = this.#reply ?? this.#ended;
    const wasAsked = this.#request !== null;
    const isOver = this.#reply === null;
    const isHeard = isOver && reply !== null && heard.playedMs >= Math.floor(reply.ms);
    this.#wanted = null;
    this.#owed = null;
    this.#reply = null;
    this.#ended = null;
    if (this.#turns === 'ours') this.#endRequest('aborted');
    // What the service has stopped itself is over; a request that there is may be for the next answer.
    else if (this.#request !== null && !isOver) this.#request.cancelled = true;
    if (reply !== null && heard.words === '') this.#memory.forget(reply.memory);
    else if (reply !== null && !isHeard) reply.memory.text = heard.words;
    this.#caller.interrupted(reply !== null);
    if (this.#turns === 'ours' && (wasAsked || (reply !== null && !isHeard))) this.#rewind();
  }

  /** Another connection that knows what we know, in the place of this one, which knows more. */
  #rewind(): void {
    this.#handle = null;
    if (this.#link.established) this.#renew();
  }

  #renew(): void {
    this.#wantsRenewal = false;
    this.#caller.lost();
    this.#link.renew();
  }

  #renewAtRest(): void {
    const isAtRest = this.#request === null && !this.#caller.isActive && this.#wanted === null;
    if (this.#wantsRenewal && isAtRest && this.#link.established) this.#renew();
  }

  toolResult(callId: string, result: string): void {
    if (this.#isClosed || !this.#memory.answeredCall(callId, result)) return;
    const reply = this.#reply;
    const name = reply?.owed.get(callId);
    if (reply === null || name === undefined) return;
    reply.owed.delete(callId);
    this.#send(resultMessage(callId, name, result));
    // The connection that asked for it is gone.
    if (reply.owed.size === 0 && this.#request === null) this.#want({ by: 'words', words: GO_ON });
    this.#touch();
  }

  update({ instructions, tools }: { instructions?: string; tools?: S2sOpenOptions['tools'] }): void {
    if (instructions !== undefined) this.#instructions = instructions;
    if (tools !== undefined) this.#tools = declarationsOf(tools);
    this.#wantsRenewal = true;
    this.#renewAtRest();
  }

  #send(message: object): void {
    if (this.#link.established) this.#link.send(message);
  }

  get #history(): object[] {
    // What was typed and is not answered is asked for anew, by itself.
    const untold = (part: CallerPart) => this.#caller.isUntold(part) || (part.utterance === null && !part.answered);
    return contentsOf(this.#memory.parts, untold);
  }

  #setUp(): void {
    const handle = this.#handle;
    // It is good for one try: one that has expired ends the connection.
    this.#handle = null;
    this.#isResumed = handle !== null;
    const { model, voice } = this.#settings;
    this.#link.send(
      setupMessage({
        ...{ model, handle, instructions: this.#instructions, tools: this.#tools, turns: this.#turns },
        voice: this.#open.voice ?? voice,
        hasHistory: handle === null && this.#history.length > 0,
      }),
    );
  }

  #establish(): void {
    const tookMs = this.#link.establish();
    const history = this.#history;
    if (!this.#isResumed && history.length > 0) this.#send(historyMessage(history));
    this.#caller.connected();
    if (this.#isAway) this.#emit({ type: 'reconnected', tookMs });
    this.#isAway = false;
    this.#pump();
  }

  #receive(value: unknown): void {
    if (this.#isClosed) return;
    const { label, onUnknownEvent } = this.#settings;
    let read: ReturnType<typeof readGemini>;
    try {
      read = readGemini(value);
    } catch (cause) {
      this.#link.fail('ERR_SERVICE_FAILED', `${label} sent a message that makes no sense.`, cause);
      return;
    }
    for (const name of read.unknown) onUnknownEvent(name);
    try {
      this.#onMessage(read.message);
    } catch (cause) {
      // Whoever is told of an event may fail at it: that ends this session, and no other call with it.
      this.#died(new AntipodeError('ERR_SERVICE_FAILED', `A message of ${label} could not be handled.`, { cause }));
    }
  }

  #onMessage(message: GeminiMessage): void {
    const { sessionResumptionUpdate: resumption, usageMetadata, serverContent, toolCall } = message;
    if (message.setupComplete && !this.#link.established) this.#establish();
    if (usageMetadata) this.#usage = usageOf(usageMetadata);
    for (const call of toolCall?.functionCalls ?? []) this.#called(call);
    for (const id of message.toolCallCancellation?.ids ?? []) this.#reply?.owed.delete(id);
    if (serverContent) this.#onContent(serverContent);
    const isAtRest = this.#request === null && !this.#caller.isActive;
    if (resumption) this.#handle = (resumption.resumable && isAtRest && resumption.newHandle) || null;
    if (message.goAway) {
      this.#wantsRenewal = true;
      this.#renewAtRest();
    }
  }

  #onContent(content: GeminiContent): void {
    const { inputTranscription, outputTranscription, modelTurn, interrupted, turnComplete } = content;
    if (interrupted && this.#turns === 'service') this.#cutOff();
    if (inputTranscription)
      this.#caller.understood(inputTranscription.text ?? '', inputTranscription.finished ?? false);
    for (const { inlineData } of modelTurn?.parts ?? []) if (inlineData) this.#sounded(inlineData.data);
    if (outputTranscription?.text) this.#worded(outputTranscription.text);
    if (turnComplete) this.#turnIsComplete(content);
  }

  /** The caller spoke over the answer, and the service has stopped it by itself. */
  #cutOff(): void {
    this.#caller.settleWords(true);
    if (this.#request !== null) this.#request.cancelled = true;
    this.#ended = this.#reply ?? this.#ended;
    this.#reply = null;
    this.#owed = null;
    this.#caller.starts();
  }

  /** The answer that something came of; null when nobody wants it. */
  #answering(): Reply | null {
    if (this.#request === null) {
      if (this.#turns === 'ours') return null;
      this.#caller.stops();
      this.#owed = { by: 'turn' };
      this.#begins();
    }
    const request = this.#request!;
    if (request.cancelled) return null;
    request.firstAtMs ??= this.#settings.clock.now();
    this.#ended = null;
    this.#touch();
    if (this.#reply === null) {
      this.#reply = { memory: this.#memory.say(), owed: new Map(), ms: 0 };
      this.#emit({ type: 'replyStarted' });
    }
    return this.#reply;
  }

  #sounded(data: string): void {
    const bytes = Buffer.from(data, 'base64');
    const reply = bytes.length < 2 ? null : this.#answering();
    if (reply === null) return;
    const pcm = new Int16Array(bytes.length >> 1);
    for (let index = 0; index < pcm.length; index++) pcm[index] = bytes.readInt16LE(index * 2);
    const ms = (pcm.length * 1_000) / GEMINI_RATES.service;
    reply.ms += ms;
    this.#request!.soundMs += ms;
    this.#emit({ type: 'audio', pcm, sampleRate: GEMINI_RATES.service });
  }

  #worded(text: string): void {
    const reply = this.#answering();
    if (reply === null) return;
    reply.memory.text += text;
    this.#emit({ type: 'replyText', text });
  }

  #called({ id, name, args }: { id: string; name: string; args?: unknown }): void {
    const reply = this.#answering();
    if (reply === null) return;
    const written = JSON.stringify(args ?? {});
    reply.owed.set(id, name);
    this.#memory.called(id, name, written);
    this.#touch();
    this.#emit({ type: 'toolCall', callId: id, name, arguments: written });
  }

  #turnIsComplete(content: GeminiContent): void {
    const request = this.#request;
    if (request === null || (this.#reply?.owed.size ?? 0) > 0) return;
    request.count(this.#usage, this.#caller.takeSentSeconds());
    const reason = failedReason(content);
    const { label } = this.#settings;
    const error = reason === null ? null : new AntipodeError('ERR_SERVICE_FAILED', `${label} failed (${reason}).`);
    const isWanted = !request.cancelled;
    if (isWanted && error !== null) this.#answering();
    if (isWanted) this.#caller.settleWords(true);
    this.#endRequest(request.cancelled || content.interrupted ? 'aborted' : (error?.code ?? 'ok'));
    if (isWanted) this.#endReply(error);
    this.#pump();
    this.#renewAtRest();
  }

  #endReply(error: AntipodeError | null): void {
    this.#ended = this.#reply;
    this.#reply = null;
    this.#owed = null;
    this.#caller.answered();
    if (error === null) this.#link.proved();
    this.#emit({ type: 'replyEnded', error });
  }

  #endRequest(outcome: ServiceRun['outcome']): void {
    const request = this.#request;
    this.#request = null;
    this.#touch();
    if (request === null) return;
    request.end(outcome);
    const { clock, name: service, model, region } = this.#settings;
    this.#open.watch?.ran(request.run({ service, model, region, endedAtMs: clock.now() }));
    if (request.usage !== null) this.#emit({ type: 'usage', usage: request.usage });
  }

  #lost(error: AntipodeError): void {
    const { log, name: service } = this.#settings;
    log.warn({ err: error, service }, 'no connection, another is tried');
    this.#letGo(error.code);
    if (this.#isAway) return;
    this.#isAway = true;
    this.#emit({ type: 'reconnecting', error });
  }

  /** What was under way on a connection that is gone is to be asked for again. */
  #letGo(code: ErrorCode): void {
    this.#endRequest(code);
    this.#caller.lost();
    if (this.#owed === null) return;
    const isBegun = this.#reply !== null && this.#reply.memory.text !== '';
    this.#caller.askAgain(isBegun);
    this.#wanted = isBegun ? { by: 'words', words: GO_ON } : this.#owed;
  }

  #died(error: AntipodeError): void {
    if (this.#isClosed) return;
    this.#endRequest(error.code);
    this.close();
    this.#open.handlers.onError(error);
  }

  #emit(event: S2sEvent): void {
    if (!this.#isClosed) this.#open.handlers.onEvent(event);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#endRequest('aborted');
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#open.signal.removeEventListener('abort', this.#onAbort);
    this.#link.close();
  }
}
