/**
 * One conversation in the OpenAI Realtime dialect over one connection after the other: each is set up and told all that
 * was said, and what it says goes to where it belongs. The caller's side is in realtime-caller.ts, the service's in
 * realtime-answers.ts.
 */
import { AntipodeError } from '../../../errors.ts';
import type { S2sEvent, S2sHeard, S2sOpenOptions, S2sSession } from '../s2s.ts';
import { LastingLink, type LinkTarget } from './lasting-link.ts';
import { addressOf, type RealtimeSettings } from './openai-realtime.ts';
import { RealtimeAnswers } from './realtime-answers.ts';
import { RealtimeCaller } from './realtime-caller.ts';
import { type RealtimeFailure, type RealtimeServerEvent, readServerEvent } from './realtime-events.ts';
import type { RealtimeRoute, RealtimeTarget } from './realtime-route.ts';
import { callerItem, itemsOf, type SessionSettings, sessionChange, sessionUpdate, toolsOf } from './realtime-setup.ts';
import { SessionMemory } from './session-memory.ts';

export interface RealtimeSessionOptions {
  /** Where its connections go. */
  route: RealtimeRoute;
  open: S2sOpenOptions;
}

/** We asked for what was so already. */
const HARMLESS: ReadonlySet<string> = new Set(['response_cancel_not_active', 'item_delete_invalid_item_id']);

export class RealtimeSession implements S2sSession {
  readonly #route: RealtimeRoute;
  readonly #open: S2sOpenOptions;
  /** Of the service that is, was last, or will be first connected to. */
  #settings: RealtimeSettings;
  readonly #link: LastingLink;
  readonly #memory: SessionMemory;
  readonly #caller: RealtimeCaller;
  readonly #answers: RealtimeAnswers;
  #session: SessionSettings;
  #isClosed = false;
  #isAway = false;
  #ids = 0;

  constructor({ route, open }: RealtimeSessionOptions) {
    const { settings } = route.preferred;
    this.#route = route;
    this.#settings = settings;
    this.#open = open;
    const { instructions, turns = 'ours' } = open;
    this.#session = { instructions, tools: toolsOf(open.tools), turns, ...this.#ofService(route.preferred) };
    this.#memory = new SessionMemory(open.history);
    const shared = {
      memory: this.#memory,
      isConnected: () => this.#link.established,
      send: (message: object) => this.#send(message),
      emit: (event: S2sEvent) => this.#emit(event),
    };
    this.#caller = new RealtimeCaller({ ...shared, turns });
    const { clock, log } = settings;
    this.#answers = new RealtimeAnswers({
      ...{ ...shared, clock, log },
      service: () => this.#settings,
      watch: open.watch,
      instructions: () => this.#session.instructions,
      newId: (kind) => this.#newId(kind),
      onSilence: () => {
        const { label, replyTimeoutMs } = this.#settings;
        this.#link.fail('ERR_SERVICE_TIMEOUT', `${label} said nothing for ${replyTimeoutMs} ms.`);
      },
      onAnswered: (error) => {
        this.#caller.answered();
        if (error !== null) return;
        this.#link.proved();
        this.#route.proved();
      },
      takeSentSeconds: () => this.#caller.takeSentSeconds(),
    });
    const { reconnectForMs, maxLosses } = settings;
    this.#link = new LastingLink({
      ...{ clock, reconnectForMs, maxLosses },
      handlers: {
        target: () => this.#nextTarget(),
        waitMs: () => route.waitMs(),
        ended: (error, final) => route.ended(error, final),
        opened: () => this.#link.send(sessionUpdate(this.#session)),
        message: (value) => this.#receive(value),
        lost: (error) => this.#lost(error),
        died: (error) => this.#died(error),
      },
    });
  }

  /** What of a session's set-up is the service's own. */
  #ofService({ settings, takesVoice }: RealtimeTarget) {
    const { turnDetection, transcriptionModel, language, quirks, voice } = settings;
    const wanted = takesVoice ? this.#open.voice : null;
    return { turnDetection, transcriptionModel, language, quirks, voice: wanted ?? voice };
  }

  /** @throws ERR_SERVICE_UNAVAILABLE when no service may be asked now */
  #nextTarget(): LinkTarget {
    const target = this.#route.take();
    this.#settings = target.settings;
    this.#session = { ...this.#session, ...this.#ofService(target) };
    const { label, connectTimeoutMs, heartbeatMs } = target.settings;
    return { label, ...addressOf(target.settings), establishTimeoutMs: connectTimeoutMs, heartbeatMs };
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
    if (!this.#isClosed) this.#caller.hear(pcm);
  }

  endTurn(): number {
    const utterance = this.#caller.end();
    this.#answers.ask(null);
    return utterance;
  }

  discard(): void {
    if (this.#answers.isOwed) this.#answers.interrupt({ playedMs: 0, words: '' });
    this.#caller.discard();
  }

  text(words: string): void {
    this.#memory.typed(words);
    this.#send(callerItem(words));
    this.#answers.ask(null);
  }

  respond(instructions?: string): void {
    this.#answers.ask(instructions ?? null);
  }

  interrupt(heard: S2sHeard): void {
    this.#answers.interrupt(heard);
  }

  toolResult(callId: string, result: string): void {
    this.#answers.toolResult(callId, result);
  }

  update({ instructions, tools }: { instructions?: string; tools?: S2sOpenOptions['tools'] }): void {
    const change = {
      ...(instructions !== undefined && { instructions }),
      ...(tools !== undefined && { tools: toolsOf(tools) }),
    };
    this.#session = { ...this.#session, ...change };
    this.#send(sessionChange(change, this.#settings.quirks));
  }

  #send(message: object): void {
    if (this.#link.established) this.#link.send(message);
  }

  #receive(value: unknown): void {
    if (this.#isClosed) return;
    const read = readServerEvent(value);
    if ('event' in read) this.#handle(read.event);
    else if ('unknown' in read) this.#settings.onUnknownEvent(read.unknown);
    else {
      const { label } = this.#settings;
      this.#link.fail('ERR_SERVICE_FAILED', `${label} sent an event that makes no sense.`, read.malformed);
    }
  }

  /** Whoever is told of an event may fail at it: that ends this session, and no other call with it. */
  #handle(event: RealtimeServerEvent): void {
    try {
      this.#onEvent(event);
    } catch (cause) {
      const { label } = this.#settings;
      this.#died(new AntipodeError('ERR_SERVICE_FAILED', `An event of ${label} could not be handled.`, { cause }));
    }
  }

  #onEvent(event: RealtimeServerEvent): void {
    if (event.type.startsWith('response.')) this.#answers.touch();
    const { log, name: service } = this.#settings;
    switch (event.type) {
      case 'session.created':
        break;
      case 'session.updated':
        if (!this.#link.established) this.#establish();
        break;
      case 'input_audio_buffer.speech_started':
        this.#caller.started(event.item_id);
        break;
      case 'input_audio_buffer.speech_stopped':
        this.#caller.stopped(event.item_id);
        break;
      case 'input_audio_buffer.committed':
        this.#caller.committed(event.item_id);
        break;
      case 'conversation.item.input_audio_transcription.delta':
        this.#caller.wordsCame(event.item_id, event.delta);
        break;
      case 'conversation.item.input_audio_transcription.completed':
        this.#caller.wordsAreWhole(event.item_id, event.transcript);
        break;
      case 'conversation.item.input_audio_transcription.failed':
        log.warn({ service, code: event.error?.code }, 'the words of an utterance are not known');
        this.#caller.wordsAreWhole(event.item_id, '');
        break;
      case 'response.created':
        if (this.#answers.created(event.response.id)) this.#caller.answered();
        break;
      case 'response.output_item.added':
        this.#answers.itemAdded(event);
        break;
      case 'response.output_audio.delta':
        this.#answers.sounded(event);
        break;
      case 'response.output_audio_transcript.delta':
        this.#answers.worded(event);
        break;
      case 'response.function_call_arguments.done':
        this.#answers.callWritten(event);
        break;
      case 'response.output_item.done':
        this.#answers.itemDone(event);
        break;
      case 'response.done': {
        const { status, status_details: details } = event.response;
        this.#answers.done(event.response, status === 'failed' ? this.#errorOf(details?.error ?? {}) : null);
        break;
      }
      case 'rate_limits.updated': {
        const spent = event.rate_limits.filter(({ remaining }) => remaining === 0).map((limit) => limit.name);
        if (spent.length > 0) log.warn({ service, spent }, 'a rate limit is spent');
        break;
      }
      case 'error':
        this.#failed(event.error);
        break;
    }
  }

  /** A connection is set up: tell it all that was said, then ask for what is owed. */
  #establish(): void {
    const tookMs = this.#link.establish();
    this.#route.established();
    for (const part of this.#memory.parts) {
      if (part.kind === 'caller') {
        this.#caller.retell(part);
        continue;
      }
      if (part.kind === 'agent') part.itemId = this.#newId('item');
      const items = part.kind === 'agent' ? itemsOf({ ...part, itemId: part.itemId! }) : itemsOf(part);
      for (const item of items) this.#send(item);
    }
    this.#caller.retellRecent();
    if (this.#isAway) this.#emit({ type: 'reconnected', tookMs });
    this.#isAway = false;
    this.#answers.resume();
  }

  #lost(error: AntipodeError): void {
    this.#settings.log.warn({ err: error, service: this.#settings.name }, 'no connection, another is tried');
    this.#answers.lost(error.code);
    this.#caller.lost();
    if (this.#isAway) return;
    this.#isAway = true;
    this.#emit({ type: 'reconnecting', error });
  }

  #died(error: AntipodeError): void {
    if (this.#isClosed) return;
    this.#answers.lost(error.code);
    this.close();
    this.#open.handlers.onError(error);
  }

  #failed(failure: RealtimeFailure): void {
    const { name: service, log, label } = this.#settings;
    const { code, type, event_id: eventId } = failure;
    if (code === 'input_audio_buffer_commit_empty') {
      this.#caller.refused();
      return;
    }
    if (code && HARMLESS.has(code)) return;
    log.warn({ service, code, type }, 'the service refused a message');
    const error = this.#errorOf(failure);
    if (!this.#link.established || code === 'insufficient_quota') this.#link.refuse(error);
    else if (code === 'session_expired' || type === 'server_error') {
      this.#link.fail('ERR_SERVICE_FAILED', `${label} ended the session (${code ?? type}).`);
    } else if (eventId) this.#answers.refused(eventId, code ?? null, error);
  }

  #errorOf({ code, type }: RealtimeFailure): AntipodeError {
    const { label } = this.#settings;
    const what = code ?? type ?? 'no code';
    if (what === 'rate_limit_exceeded' || what === 'insufficient_quota') {
      return new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${label} limits our rate or quota.`);
    }
    if (what === 'invalid_api_key') return new AntipodeError('ERR_SERVICE_FAILED', `${label} refused our key.`);
    return new AntipodeError('ERR_SERVICE_FAILED', `${label} failed (${what}).`);
  }

  #newId(kind: string): string {
    return `${kind}_antipode_${this.#ids++}`;
  }

  #emit(event: S2sEvent): void {
    if (!this.#isClosed) this.#open.handlers.onEvent(event);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#answers.close();
    this.#isClosed = true;
    this.#open.signal.removeEventListener('abort', this.#onAbort);
    this.#link.close();
    this.#route.released();
  }
}
