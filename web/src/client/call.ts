/**
 * A call from the page's side: joins, keeps signaling and media going, ends. Owns the current CallView and tells its
 * listeners; what a state means is in call-state.ts, sockets are session-link.ts's, WebRTC is media.ts's.
 */
import type { SessionEnd } from '../../../src/agent/client-events.ts';
import { type Clock, delay, type Timer } from '../../../src/clock.ts';
import type { Grant, JoinAnswer } from '../../../src/signaling/protocol.ts';
import { type CallStateEvent, isLive, transition } from './call-state.ts';
import { type CallView, IDLE_VIEW, withAgentEvent, withAnswer, withPopChange } from './call-view.ts';
import type { PictureSource } from './camera.ts';
import { asFailure, CallFailure, type Failure, failureOf } from './failure.ts';
import { grantsOf } from './grants.ts';
import { HeldMicrophone } from './held-microphone.ts';
import type { MediaHandlers, MediaOptions, MediaPath } from './media.ts';
import type { MicrophonePermission, VoiceSource } from './microphone.ts';
import { type RoomView, type Seat, withMissed, withStreams } from './room.ts';
import { RoomPresence } from './room-presence.ts';
import { backoffMs, SessionLink } from './session-link.ts';
import { type Invitation, requestSession, type SessionSource } from './session-request.ts';
import type { SignalingEvent } from './signaling-socket.ts';

/** What a call takes from outside, so that tests can run it without a browser. */
export interface CallEnvironment extends SessionSource {
  clock: Clock;
  random: () => number;
  openMicrophone(): Promise<VoiceSource>;
  openCamera(): Promise<PictureSource>;
  microphonePermission(): Promise<MicrophonePermission>;
  createMedia(options: MediaOptions, handlers: MediaHandlers): MediaPath;
}

export interface JoinOptions {
  /** In a room with others; absent: the agent alone. */
  seat?: Seat | null;
  /** Taken up instead of asking for a session. */
  invitation?: Invitation | null;
}

const NETWORK_SAMPLE_INTERVAL_MS = 2_000;
/** ICE has checked its pair by then. */
const FIRST_NETWORK_SAMPLE_MS = 400;

/** What one call holds, and all that has to be let go when it is over. */
interface Attempt {
  readonly lifetime: AbortController;
  readonly microphone: HeldMicrophone;
  readonly room: RoomPresence;
  grants: readonly Grant[];
  link: SessionLink | null;
  media: MediaPath | null;
  /** Of the POP that is being left. */
  formerMedia: MediaPath | null;
  sampling: Timer | null;
  /** Media set up again since it last flowed. */
  renewals: number;
  /** The POP by which the caller came back, until sound flows there. */
  cameBackBy: { region: string; sentAway: boolean } | null;
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
  async join(agent: string, options: JoinOptions = {}): Promise<void> {
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
      room: new RoomPresence({
        request: (method, data) =>
          attempt.link?.request(method, data) ?? Promise.reject(CallFailure.of('CONNECTION_LOST', 'Not connected.')),
        openCamera: () => this.#environment.openCamera(),
        view: () => this.#view,
        set: (view) => this.#set(view),
        media: () => attempt.media,
        silence: (muted) => microphone.setMuted(muted),
      }),
      grants: [],
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
      await this.#connect(attempt, agent, options);
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
    this.#attempt.room.setMuted(muted);
  }

  /** In a room: show the others a picture, or none. Everything that goes wrong is told by the view. */
  async setCamera(on: boolean): Promise<void> {
    await this.#attempt?.room.setCamera(on);
  }

  /** In a room, for who moderates it: silence another, or end their call. */
  async muteOther(participantId: string): Promise<void> {
    await this.#attempt?.room.muteOther(participantId);
  }

  async removeOther(participantId: string): Promise<void> {
    await this.#attempt?.room.remove(participantId);
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

  async #connect(attempt: Attempt, agent: string, { seat, invitation }: JoinOptions): Promise<void> {
    const { signal } = attempt.lifetime;
    const { clock, random, microphonePermission } = this.#environment;
    const wish = { agent, ...seat };
    const creating = invitation
      ? Promise.resolve({ ...invitation, expiresAt: null })
      : requestSession(this.#environment, wish, signal);
    creating.catch(ignore);
    // A session waits for its caller's voice only so long: while people look for the button to allow it, don't join.
    if ((await microphonePermission()) !== 'granted') await Promise.all([attempt.microphone.track, creating]);
    this.#transition({ type: 'join-advanced', step: 'session' });
    let session: Invitation & { expiresAt: string | null } = await creating;
    const expired = session.expiresAt !== null && Date.parse(session.expiresAt) <= clock.date().getTime();
    if (expired) session = await requestSession(this.#environment, wish, signal);
    signal.throwIfAborted();

    const link = new SessionLink(
      { url: session.signalingUrl, clock, random },
      {
        event: (event) => this.#onEvent(attempt, event),
        lost: (deadlineMs) => this.#onLinkLost(attempt, deadlineMs),
        attempting: (number) => this.#transition({ type: 'attempt-begun', attempt: number }),
        resumed: (answer, how) => this.#onResumed(attempt, answer, how),
        failed: (failure) => this.#fail(attempt, failure),
      },
    );
    attempt.link = link;
    attempt.grants = grantsOf(session.token);
    const answer = await link.join(session.token);
    this.#set(withAnswer(this.#view, answer, attempt.grants));
    this.#transition({ type: 'join-advanced', step: 'media' });
    this.#setUpMedia(attempt, answer);
    attempt.room.arrived(answer);
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
        received: (streams) => {
          if (attempt.media === media) this.#setRoom((room) => withStreams(room, streams));
        },
        missed: (producerId, failure) => {
          if (attempt.media === media) this.#setRoom((room) => withMissed(room, producerId, failure));
        },
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
    attempt.room.bring(media);
  }

  #onFlowing(attempt: Attempt): void {
    attempt.renewals = 0;
    attempt.formerMedia?.close();
    attempt.formerMedia = null;
    if (attempt.cameBackBy !== null) {
      const { state } = this.#view;
      const { region, sentAway } = attempt.cameBackBy;
      // Who is sent away is heard by the former POP until now.
      const away = state.name === 'reconnecting' && !sentAway;
      const gapMs = away ? this.#environment.clock.now() - state.lostAtMs : null;
      this.#set(withPopChange(this.#view, { region, gapMs, sentAway }));
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

  #onResumed(attempt: Attempt, answer: JoinAnswer, how: { moved: boolean; sentAway: boolean }): void {
    const { moved } = how;
    // Lost while it went, it came back as others do.
    const sentAway = how.sentAway && this.#view.state.name !== 'reconnecting';
    this.#set(withAnswer(this.#view, answer, attempt.grants));
    if (moved) attempt.cameBackBy = { region: answer.placement.pop.region, sentAway };
    if (answer.mediaKept) {
      attempt.media?.heal();
    } else {
      if (attempt.link) this.#loseMediaLink(attempt.link);
      this.#setUpMedia(attempt, answer, moved);
    }
    this.#transition({ type: 'link-restored', link: 'signaling' });
    attempt.room.arrived(answer);
  }

  #onEvent(attempt: Attempt, event: SignalingEvent): void {
    switch (event.name) {
      case 'agent':
        this.#set(withAgentEvent(this.#view, event.data));
        break;
      case 'media-lost':
        this.#onMediaLost(attempt, { ...failureOf('ERR_MEDIA_WORKER_DIED', event.data.reason), retryable: true });
        break;
      case 'participant-joined':
      case 'participant-changed':
      case 'participant-left':
        attempt.room.told(event.name, event.data);
        break;
      case 'session-ended':
        this.#end(attempt, event.data);
        break;
    }
  }

  #setRoom(change: (room: RoomView) => RoomView): void {
    if (this.#view.room) this.#set({ ...this.#view, room: change(this.#view.room) });
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
    attempt.room.close();
    if (this.#attempt !== attempt) return;
    this.#attempt = null;
    const endedAtMs = this.#environment.clock.now();
    const silent = { microphoneStream: null, agentStream: null, microphoneProblem: null, muted: false };
    const { room: left } = this.#view;
    const room = left && { ...left, participants: [], streams: new Map(), unheard: new Map(), problem: null };
    const unseen = { room, cameraStream: null, cameraProblem: null };
    this.#set({ ...this.#view, ...silent, ...unseen, agentState: null, callerSpeaking: false, endedAtMs });
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
