/**
 * A call from the page's side: joins, keeps signaling and media going, ends. Owns the current CallView and tells its
 * listeners; what a state means is in call-state.ts, sockets are session-link.ts's, WebRTC is media.ts's.
 */
import type { SessionEnd } from '../../../src/agent/client-events.ts';
import { type Clock, delay, type Timer } from '../../../src/clock.ts';
import type { CreateSessionAnswer, JoinAnswer } from '../../../src/signaling/protocol.ts';
import { type CallStateEvent, isLive, transition } from './call-state.ts';
import { type CallView, IDLE_VIEW, withAgentEvent, withAnswer, withPopChange } from './call-view.ts';
import { asFailure, CallFailure, type Failure, failureOf } from './failure.ts';
import { HeldMicrophone } from './held-microphone.ts';
import type { MediaHandlers, MediaOptions, MediaPath } from './media.ts';
import type { MicrophonePermission, VoiceSource } from './microphone.ts';
import type { Probe } from './ping-pops.ts';
import { createSession, type RestOptions } from './rest.ts';
import { backoffMs, SessionLink } from './session-link.ts';
import type { SignalingEvent } from './signaling-socket.ts';

/** What a call takes from outside, so that tests can run it without a browser. */
export interface CallEnvironment {
  clock: Clock;
  random: () => number;
  rest: RestOptions;
  /** Round trips to POPs, as far as they are known; never rejects, never takes long. */
  probesForJoin(): Promise<readonly Probe[]>;
  openMicrophone(): Promise<VoiceSource>;
  microphonePermission(): Promise<MicrophonePermission>;
  createMedia(options: MediaOptions, handlers: MediaHandlers): MediaPath;
}

const NETWORK_SAMPLE_INTERVAL_MS = 2_000;
/** ICE has checked its pair by then. */
const FIRST_NETWORK_SAMPLE_MS = 400;

/** A request that may be sent on to another POP is asked for again without that after so long. */
const SENT_ON_TIMEOUT_MS = 4_000;
/** Refusals that may be another POP's, to which the request was sent on, or its wires'. */
const SPOILED_BY_PROBES: ReadonlySet<string> = new Set([
  ...['SERVER_UNREACHABLE', 'SERVER_ANSWER', 'ERR_REQUEST_MALFORMED', 'ERR_FORBIDDEN', 'ERR_NOT_FOUND'],
  ...['ERR_SESSION_LIMIT', 'ERR_SHUTTING_DOWN', 'ERR_AGENT_UNKNOWN', 'ERR_UNAUTHORIZED'],
]);

/** What one call holds, and all that has to be let go when it is over. */
interface Attempt {
  readonly lifetime: AbortController;
  readonly microphone: HeldMicrophone;
  link: SessionLink | null;
  media: MediaPath | null;
  /** Of the POP that is being left. */
  formerMedia: MediaPath | null;
  sampling: Timer | null;
  /** Media set up again since it last flowed. */
  renewals: number;
  /** Region of the POP by which the caller came back, until sound flows there. */
  cameBackBy: string | null;
}

export class Call {
  readonly #environment: CallEnvironment;
  readonly #listeners = new Set<() => void>();
  #view: CallView = IDLE_VIEW;
  #attempt: Attempt | null = null;

  constructor(environment: CallEnvironment) {
    this.#environment = environment;
  }

  /** The same object until something changes. */
  get view(): CallView {
    return this.#view;
  }

  /** Call `listener` after each change; the answer stops that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Call an agent. Everything that goes wrong is told by the state. */
  async join(agent: string): Promise<void> {
    if (isLive(this.#view.state)) return;
    const microphone = new HeldMicrophone(() => this.#environment.openMicrophone(), {
      opened: ({ stream, track }) => {
        this.#set({ ...this.#view, microphoneStream: stream });
        attempt.media?.replaceTrack(track).catch((error) => this.#fail(attempt, asFailure(error)));
      },
      problem: (microphoneProblem) => this.#set({ ...this.#view, microphoneProblem }),
    });
    const attempt: Attempt = {
      lifetime: new AbortController(),
      microphone,
      link: null,
      media: null,
      formerMedia: null,
      sampling: null,
      renewals: 0,
      cameBackBy: null,
    };
    this.#attempt = attempt;
    this.#set({ ...IDLE_VIEW, state: transition(this.#view.state, { type: 'join-requested', agent }) });
    try {
      await this.#connect(attempt, agent);
    } catch (error) {
      this.#fail(attempt, asFailure(error));
    }
  }

  /** End the call, or give up joining. Idempotent. */
  hangUp(): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    attempt.link?.leave();
    if (this.#view.state.name === 'joining') this.#transition({ type: 'cancelled' });
    else this.#end(attempt, { code: 'caller-left', reason: '' });
    this.#release(attempt);
  }

  /** From how the last call ended back to the choice of an agent. */
  dismiss(): void {
    if (!isLive(this.#view.state)) this.#set(IDLE_VIEW);
  }

  setMuted(muted: boolean): void {
    if (!this.#attempt) return;
    this.#attempt.microphone.setMuted(muted);
    this.#set({ ...this.#view, muted });
  }

  /** Words for the agent without a voice. @throws CallFailure */
  async sendText(text: string): Promise<void> {
    const link = this.#attempt?.link;
    if (!link) throw CallFailure.of('CONNECTION_LOST', 'There is no call.');
    await link.request('message', { type: 'text', text });
  }

  /** Open a microphone again after the one in use went away. */
  async reopenMicrophone(): Promise<void> {
    await this.#attempt?.microphone.reopen();
  }

  /** The browser says that the network is back. */
  networkReturned(): void {
    this.#attempt?.link?.retryNow();
  }

  async #connect(attempt: Attempt, agent: string): Promise<void> {
    const { signal } = attempt.lifetime;
    const { clock, random, microphonePermission } = this.#environment;
    const creating = this.#createSession(agent, signal);
    creating.catch(ignore);
    // A session waits for its caller's voice only so long: while people look for the button to allow it, don't join.
    if ((await microphonePermission()) !== 'granted') await Promise.all([attempt.microphone.track, creating]);
    this.#transition({ type: 'join-advanced', step: 'session' });
    let session = await creating;
    if (Date.parse(session.expiresAt) <= clock.date().getTime()) session = await this.#createSession(agent, signal);
    signal.throwIfAborted();

    const link = new SessionLink(
      { url: session.signalingUrl, clock, random },
      {
        event: (event) => this.#onEvent(attempt, event),
        lost: (deadlineMs) => this.#onLinkLost(attempt, deadlineMs),
        attempting: (number) => this.#transition({ type: 'attempt-begun', attempt: number }),
        resumed: (answer, { moved }) => this.#onResumed(attempt, answer, moved),
        failed: (failure) => this.#fail(attempt, failure),
      },
    );
    attempt.link = link;
    const answer = await link.join(session.token);
    this.#set(withAnswer(this.#view, answer));
    this.#transition({ type: 'join-advanced', step: 'media' });
    this.#setUpMedia(attempt, answer);
  }

  /** A session, by the POP that the server chooses with what was measured; by this page's own POP when that fails. */
  async #createSession(agent: string, signal: AbortSignal): Promise<CreateSessionAnswer> {
    const { rest, probesForJoin } = this.#environment;
    const probes = await probesForJoin();
    signal.throwIfAborted();
    if (probes.length === 0) return createSession(rest, { agent }, signal);
    try {
      const timeoutMs = Math.min(rest.timeoutMs, SENT_ON_TIMEOUT_MS);
      return await createSession({ ...rest, timeoutMs }, { agent, probes: [...probes] }, signal);
    } catch (error) {
      if (signal.aborted || !SPOILED_BY_PROBES.has(asFailure(error).code)) throw error;
      return createSession(rest, { agent }, signal);
    }
  }

  /** @param stays whether the former media is heard at its POP until the new one flows */
  #setUpMedia(attempt: Attempt, answer: JoinAnswer, stays = false): void {
    attempt.formerMedia?.close();
    attempt.formerMedia = stays ? attempt.media : null;
    if (!stays) attempt.media?.close();
    const { link } = attempt;
    if (!link) return;
    const media = this.#environment.createMedia(
      { clock: this.#environment.clock, request: (method, data) => link.request(method, data) },
      {
        heard: (stream) => this.#set({ ...this.#view, agentStream: stream }),
        flowing: () => {
          if (attempt.media === media) this.#onFlowing(attempt);
        },
        disrupted: () => {
          if (attempt.media === media) this.#loseMediaLink(link);
        },
        lost: (failure) => {
          if (attempt.media === media) this.#onMediaLost(attempt, failure);
        },
      },
    );
    attempt.media = media;
    void media.setUp(answer, attempt.microphone.track);
  }

  #onFlowing(attempt: Attempt): void {
    attempt.renewals = 0;
    attempt.formerMedia?.close();
    attempt.formerMedia = null;
    if (attempt.cameBackBy !== null) {
      const { state } = this.#view;
      const gapMs = state.name === 'reconnecting' ? this.#environment.clock.now() - state.lostAtMs : null;
      this.#set(withPopChange(this.#view, { region: attempt.cameBackBy, gapMs }));
      attempt.cameBackBy = null;
    }
    this.#transition({ type: 'connected' });
    this.#transition({ type: 'link-restored', link: 'media' });
    if (this.#view.connectedAtMs === null) this.#set({ ...this.#view, connectedAtMs: this.#environment.clock.now() });
    if (attempt.sampling === null) this.#sampleNetwork(attempt, FIRST_NETWORK_SAMPLE_MS);
  }

  #onMediaLost(attempt: Attempt, failure: Failure): void {
    const { link } = attempt;
    const { state } = this.#view;
    attempt.media?.close();
    attempt.media = null;
    const renewable = failure.retryable || failure.code === 'ERR_MEDIA_STATE';
    const { clock, random } = this.#environment;
    const late = state.name === 'reconnecting' && clock.now() >= state.deadlineMs;
    if (!link || state.name === 'joining' || !renewable || late) {
      this.#fail(attempt, failure);
      return;
    }
    this.#loseMediaLink(link);
    const waitMs = attempt.renewals === 0 ? 0 : backoffMs(attempt.renewals, random);
    attempt.renewals += 1;
    if (waitMs === 0) link.renewMedia();
    else delay(clock, waitMs, attempt.lifetime.signal).then(() => link.renewMedia(), ignore);
  }

  #onLinkLost(attempt: Attempt, deadlineMs: number): void {
    if (this.#view.state.name === 'joining') {
      this.#fail(attempt, failureOf('CONNECTION_LOST', 'The connection closed during the join.'));
      return;
    }
    this.#transition({ type: 'link-lost', link: 'signaling', atMs: this.#environment.clock.now(), deadlineMs });
    // Media that was still being set up has lost its answers with the socket: begin it anew.
    if (attempt.media && !attempt.media.established) {
      attempt.media.close();
      attempt.media = null;
      attempt.link?.renewMedia();
    }
  }

  #onResumed(attempt: Attempt, answer: JoinAnswer, moved: boolean): void {
    this.#set(withAnswer(this.#view, answer));
    if (moved) attempt.cameBackBy = answer.placement.pop.region;
    if (answer.mediaKept) {
      attempt.media?.heal();
    } else {
      if (attempt.link) this.#loseMediaLink(attempt.link);
      this.#setUpMedia(attempt, answer, moved);
    }
    this.#transition({ type: 'link-restored', link: 'signaling' });
  }

  #onEvent(attempt: Attempt, event: SignalingEvent): void {
    switch (event.name) {
      case 'agent':
        this.#set(withAgentEvent(this.#view, event.data));
        break;
      case 'media-lost':
        this.#onMediaLost(attempt, { ...failureOf('ERR_MEDIA_WORKER_DIED', event.data.reason), retryable: true });
        break;
      case 'session-ended':
        this.#end(attempt, event.data);
        break;
    }
  }

  #loseMediaLink(link: SessionLink): void {
    const atMs = this.#environment.clock.now();
    this.#transition({ type: 'link-lost', link: 'media', atMs, deadlineMs: atMs + link.resumeWindowMs });
  }

  #sampleNetwork(attempt: Attempt, afterMs: number): void {
    attempt.sampling = this.#environment.clock.setTimeout(() => {
      this.#sampleNetwork(attempt, NETWORK_SAMPLE_INTERVAL_MS);
      attempt.media?.sample().then((network) => {
        if (!attempt.lifetime.signal.aborted) this.#set({ ...this.#view, network });
      }, ignore);
    }, afterMs);
  }

  #end(attempt: Attempt, end: SessionEnd): void {
    this.#transition({ type: 'session-ended', end });
    this.#release(attempt);
  }

  #fail(attempt: Attempt, failure: Failure): void {
    if (attempt.lifetime.signal.aborted) return;
    attempt.link?.leave();
    this.#transition({ type: 'failed', failure });
    this.#release(attempt);
  }

  #release(attempt: Attempt): void {
    if (attempt.lifetime.signal.aborted) return;
    attempt.lifetime.abort(CallFailure.of('CONNECTION_LOST', 'The call is over.'));
    attempt.sampling?.cancel();
    attempt.formerMedia?.close();
    attempt.media?.close();
    attempt.link?.close();
    attempt.microphone.close();
    if (this.#attempt !== attempt) return;
    this.#attempt = null;
    const endedAtMs = this.#environment.clock.now();
    const silent = { microphoneStream: null, agentStream: null, microphoneProblem: null, muted: false };
    this.#set({ ...this.#view, ...silent, agentState: null, callerSpeaking: false, endedAtMs });
  }

  #transition(event: CallStateEvent): void {
    const state = transition(this.#view.state, event);
    if (state !== this.#view.state) this.#set({ ...this.#view, state });
  }

  #set(view: CallView): void {
    if (view === this.#view) return;
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

/** For promises whose failure is handled where they are awaited. */
function ignore(): void {}
