/**
 * The service's side of a session in the OpenAI Realtime dialect: answers are asked for one at a time, since the service
 * refuses a second, and told as events; those that were cut off are corrected to what was heard. Knows which of what comes
 * is still wanted. Owns no connection.
 */
import type { Clock, Timer } from '../../../clock.ts';
import type { AntipodeError, ErrorCode } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import type { ServiceRun, ServiceWatch } from '../../observe/observation.ts';
import type { S2sEvent, S2sHeard } from '../s2s.ts';
import type { RealtimeSettings } from './openai-realtime.ts';
import type { RealtimeEventOf, RealtimeOutputItem } from './realtime-events.ts';
import { deletion, RealtimeReply } from './realtime-reply.ts';
import { RealtimeRequest } from './realtime-request.ts';
import { resultItem, WIRE_RATE } from './realtime-setup.ts';
import type { SessionMemory } from './session-memory.ts';

export interface RealtimeAnswersOptions {
  /** Of the one that is connected to, or was last. */
  service(): Pick<RealtimeSettings, 'name' | 'model' | 'region' | 'quirks' | 'replyTimeoutMs'>;
  clock: Clock;
  log: Logger;
  memory: SessionMemory;
  watch: ServiceWatch | undefined;
  /** Of the session; those of one answer are added to them. */
  instructions(): string;
  isConnected(): boolean;
  /** To the connection that is set up; without one it is lost, since the next one is told by what is remembered. */
  send(message: object): void;
  emit(event: S2sEvent): void;
  newId(kind: string): string;
  /** Nothing came of an answer for `replyTimeoutMs`. */
  onSilence(): void;
  /** An answer is whole, or has failed: what the caller said has been answered. */
  onAnswered(error: AntipodeError | null): void;
  /** Seconds of the caller that were sent since this was asked last. */
  takeSentSeconds(): number;
}

/** An answer that is to be made; null for the session's own instructions. */
interface Wish {
  readonly instructions: string | null;
}

type Response = RealtimeEventOf<'response.done'>['response'];

const GO_ON =
  'The connection broke while you spoke. Your last words above were heard. Go on from there, without repeating them ' +
  'and without saying that anything happened.';

export class RealtimeAnswers {
  readonly #options: RealtimeAnswersOptions;
  #request: RealtimeRequest | null = null;
  #reply: RealtimeReply | null = null;
  /** The last one that the service has ended; the caller may still hear it. */
  #ended: RealtimeReply | null = null;
  /** To be asked for as soon as that is possible, and what is not answered as a whole. */
  #wanted: Wish | null = null;
  #owed: Wish | null = null;
  /** What cut which answer, for when the service refuses it. */
  readonly #cuts = new Map<string, { reply: RealtimeReply; words: string }>();
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(options: RealtimeAnswersOptions) {
    this.#options = options;
  }

  /** Something is to be answered. */
  get isOwed(): boolean {
    return this.#owed !== null || this.#reply !== null;
  }

  /** A new answer, by these instructions besides the session's. */
  ask(instructions: string | null): void {
    this.#ended = null;
    this.#want({ instructions });
  }

  #want(wish: Wish): void {
    if (this.#isClosed) return;
    this.#wanted = wish;
    this.#owed = wish;
    this.#pump();
  }

  /** Ask for what is wanted, unless the service is still at another answer or waits for results. */
  #pump(): void {
    if (this.#wanted === null || this.#request !== null || !this.#options.isConnected()) return;
    if (this.#reply !== null && this.#reply.owedResults.size > 0) return;
    const { clock, newId, instructions: ofSession, send } = this.#options;
    const { instructions } = this.#wanted;
    this.#wanted = null;
    const eventId = newId('ask');
    this.#request = new RealtimeRequest(eventId, clock.now());
    const response = instructions === null ? {} : { instructions: `${ofSession()}\n\n${instructions}` };
    send({ type: 'response.create', event_id: eventId, response });
    this.touch();
  }

  /** Something came of an answer: the time of one of which nothing comes runs anew. */
  touch(): void {
    this.#timer?.cancel();
    const { clock, service, onSilence } = this.#options;
    this.#timer = this.#request === null ? null : clock.setTimeout(onSilence, service().replyTimeoutMs);
  }

  /** The caller cut the last answer off. */
  interrupt(heard: S2sHeard): void {
    const { send, newId, service, memory } = this.#options;
    const truncates = !service().quirks.noTruncate;
    this.#wanted = null;
    this.#owed = null;
    const request = this.#request;
    if (request !== null && !request.cancelled) {
      request.cancelled = true;
      if (request.id !== null) send({ type: 'response.cancel', response_id: request.id });
    }
    const reply = this.#reply ?? this.#ended;
    this.#reply = null;
    this.#ended = null;
    if (reply === null) return;
    for (const message of reply.cut(heard, { truncates, newId: newId('item') })) {
      const eventId = newId('cut');
      this.#cuts.set(eventId, { reply, words: heard.words });
      send({ event_id: eventId, ...message });
    }
    if (heard.words === '') memory.forget(reply.memory);
    else reply.memory.text = heard.words;
  }

  toolResult(callId: string, result: string): void {
    if (this.#isClosed || !this.#options.memory.answeredCall(callId, result)) return;
    this.#options.send(resultItem(callId, result));
    const owed = this.#reply?.owedResults;
    if (owed?.delete(callId) && owed.size === 0) this.#want({ instructions: null });
  }

  /** The connection is gone. */
  lost(code: ErrorCode): void {
    this.#endRequest(code);
    this.#cuts.clear();
  }

  /** Another connection knows all that was said: ask it for what is owed. */
  resume(): void {
    for (const reply of [this.#reply, this.#ended]) reply?.retold();
    if (this.#owed === null || (this.#reply?.owedResults.size ?? 0) > 0) return;
    const { instructions } = this.#owed;
    const isBegun = this.#reply !== null && this.#reply.memory.text !== '';
    this.#wanted = isBegun ? { instructions: `${instructions ?? ''}\n\n${GO_ON}`.trim() } : this.#owed;
    this.#pump();
  }

  /** @returns whether the service began it by itself */
  created(id: string): boolean {
    const isAsked = this.#request !== null && this.#request.id === null;
    if (isAsked) {
      this.#request!.id = id;
      if (this.#request!.cancelled) {
        this.#options.send({ type: 'response.cancel', response_id: id });
        return false;
      }
    } else {
      this.#endRequest('aborted');
      this.#request = new RealtimeRequest(null, this.#options.clock.now());
      this.#request.id = id;
      this.#owed = { instructions: null };
      this.#reply = null;
      this.touch();
    }
    this.#ended = null;
    if (this.#reply === null) {
      this.#reply = new RealtimeReply(this.#options.memory.say());
      this.#options.emit({ type: 'replyStarted' });
    }
    return !isAsked;
  }

  /** Whether an event of this response is for the answer that is wanted. */
  #isCurrent(responseId: string): boolean {
    const request = this.#request;
    return request !== null && request.id === responseId && !request.cancelled && this.#reply !== null;
  }

  itemAdded({ response_id: responseId, item }: RealtimeEventOf<'response.output_item.added'>): void {
    if (!item.id || this.#request?.id !== responseId) return;
    const isCurrent = this.#isCurrent(responseId);
    if (isCurrent && item.type === 'message') this.#reply!.item(item.id);
    // Begun before the service read that nobody wants it, or a call that nobody may come to be told of.
    else if (!isCurrent || item.type === 'function_call') this.#request.leftovers.add(item.id);
  }

  sounded({ response_id: responseId, item_id: itemId, delta }: RealtimeEventOf<'response.output_audio.delta'>): void {
    if (!this.#isCurrent(responseId)) return;
    const bytes = Buffer.from(delta, 'base64');
    const pcm = new Int16Array(bytes.length >> 1);
    for (let index = 0; index < pcm.length; index++) pcm[index] = bytes.readInt16LE(index * 2);
    if (pcm.length === 0) return;
    const ms = (pcm.length * 1_000) / WIRE_RATE;
    this.#request!.firstAtMs ??= this.#options.clock.now();
    this.#request!.soundMs += ms;
    this.#reply!.sounded(itemId, ms);
    this.#options.emit({ type: 'audio', pcm, sampleRate: WIRE_RATE });
  }

  worded({ response_id: responseId, delta }: RealtimeEventOf<'response.output_audio_transcript.delta'>): void {
    if (!this.#isCurrent(responseId) || delta === '') return;
    this.#request!.firstAtMs ??= this.#options.clock.now();
    this.#reply!.memory.text += delta;
    this.#options.emit({ type: 'replyText', text: delta });
  }

  callWritten(event: RealtimeEventOf<'response.function_call_arguments.done'>): void {
    if (this.#isCurrent(event.response_id)) this.#request!.written.set(event.call_id, event);
  }

  itemDone({ response_id: responseId, item }: RealtimeEventOf<'response.output_item.done'>): void {
    if (this.#isCurrent(responseId)) this.#called(item);
  }

  #called(item: RealtimeOutputItem): void {
    const reply = this.#reply!;
    const callId = item.call_id;
    if (item.type !== 'function_call' || item.status === 'incomplete' || !callId || reply.calls.has(callId)) return;
    const request = this.#request!;
    const written = request.written.get(callId);
    const call = {
      callId,
      name: item.name ?? written?.name ?? '',
      arguments: item.arguments ?? written?.arguments ?? '',
    };
    if (item.id) request.leftovers.delete(item.id);
    request.calls++;
    reply.calls.add(callId);
    reply.owedResults.add(callId);
    this.#options.memory.called(callId, call.name, call.arguments);
    this.#options.emit({ type: 'toolCall', ...call });
  }

  /** @param error why it failed, when its status says so */
  done({ id, status, status_details: details, output, usage }: Response, error: AntipodeError | null): void {
    const request = this.#request;
    if (request === null || request.id !== id) return;
    const { log, service, send, takeSentSeconds } = this.#options;
    if (this.#isCurrent(id) && status === 'completed') for (const item of output ?? []) this.#called(item);
    // A tool that was called may have answered, and the caller may have cut all of it off, by now.
    const isWanted = this.#isCurrent(id);
    for (const item of request.leftovers) send(deletion(item));
    request.count(usage ?? null, takeSentSeconds());
    this.#endRequest(request.cancelled || status === 'cancelled' ? 'aborted' : (error?.code ?? 'ok'));
    if (status === 'incomplete')
      log.warn({ service: service().name, reason: details?.reason }, 'an answer was cut short');
    const goesOn = error === null && status === 'completed' && request.calls > 0;
    if (isWanted && !goesOn) this.#endReply(error);
    this.#pump();
  }

  #endReply(error: AntipodeError | null): void {
    this.#wanted = null;
    this.#owed = null;
    this.#ended = this.#reply;
    this.#reply = null;
    if (error === null) this.#cuts.clear();
    this.#options.onAnswered(error);
    this.#options.emit({ type: 'replyEnded', error });
  }

  /** The service is done with a request; tell what it was. */
  #endRequest(outcome: ServiceRun['outcome']): void {
    const request = this.#request;
    this.#request = null;
    this.touch();
    if (request === null) return;
    request.end(outcome);
    const { clock, watch, emit } = this.#options;
    const { name: service, model, region } = this.#options.service();
    watch?.ran(request.run({ service, model, region, endedAtMs: clock.now() }));
    if (request.usage !== null) emit({ type: 'usage', usage: request.usage });
  }

  /**
   * The service refused a message of this name.
   * @returns whether it was one of ours
   */
  refused(eventId: string, code: string | null, error: AntipodeError): boolean {
    const cut = this.#cuts.get(eventId);
    if (cut !== undefined) {
      // It cannot be cut there: it is told anew as the words that were heard.
      this.#cuts.delete(eventId);
      const { send, newId } = this.#options;
      for (const message of cut.reply.rewritten(cut.words, newId('item'))) send(message);
      return true;
    }
    if (this.#request?.eventId !== eventId) return false;
    const isWanted = !this.#request.cancelled;
    this.#endRequest(error.code);
    // It is at one that it began by itself; when that is done we ask again.
    if (code === 'conversation_already_has_active_response') this.#wanted = isWanted ? this.#owed : null;
    else if (isWanted) this.#endReply(error);
    else this.#pump();
    return true;
  }

  close(): void {
    this.#endRequest('aborted');
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
