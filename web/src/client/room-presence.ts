/**
 * A caller's side of the room that it is in: muted here and at the POP, with or without a picture, hearing whoever is
 * there. Owns the camera and which wishes the POP was not told; who is there is room.ts's, streams are room-media.ts's.
 */
import type { JoinAnswer, Participant, SignalingEventName } from '../../../src/signaling/protocol.ts';
import { type CallView, withCompany } from './call-view.ts';
import type { PictureSource } from './camera.ts';
import { asFailure, failureOf } from './failure.ts';
import type { MediaOptions, MediaPath } from './media.ts';
import { participantOf, wantedStreams, withoutParticipant, withParticipant } from './room.ts';

export type RoomNotice = Extract<SignalingEventName, `participant-${string}`>;

export interface RoomPresenceOptions {
  request: MediaOptions['request'];
  openCamera(): Promise<PictureSource>;
  view(): CallView;
  set(view: CallView): void;
  /** The media of now, if there is any. */
  media(): MediaPath | null;
  /** Close or open the microphone itself. */
  silence(muted: boolean): void;
}

export class RoomPresence {
  readonly #options: RoomPresenceOptions;
  #camera: PictureSource | null = null;
  /** The wish is to be seen, also while the camera is still being opened. */
  #seen = false;
  /** Mutes and unmutes that the POP has not answered. */
  #asking = 0;
  /** The POP may not know whether this caller is muted. */
  #untold = false;
  #closed = false;

  constructor(options: RoomPresenceOptions) {
    this.#options = options;
  }

  /** The view has the room of a join or resume answer; its media follows by `bring`, or goes on. */
  arrived(answer: JoinAnswer): void {
    const { room, muted } = this.#options.view();
    if (!room) return;
    const own = participantOf(room, room.participantId);
    if (this.#untold || (own !== undefined && muted && !own.muted)) void this.#tellMuted(muted);
    else this.#obey(own);
    if (answer.mediaKept) this.#follow();
  }

  /** Another media, with everything that this one has. */
  bring(media: MediaPath): void {
    const { room } = this.#options.view();
    if (!room) return;
    media.follow(wantedStreams(room));
    if (this.#camera) this.#show(this.#camera.track);
  }

  told(notice: RoomNotice, participant: Participant): void {
    const { view, set } = this.#options;
    const before = view();
    const { room } = before;
    if (!room) return;
    const { participantId, name } = participant;
    const isOwn = participantId === room.participantId;
    const known = participantOf(room, participantId) !== undefined;
    const gone = notice === 'participant-left';
    const after = gone ? withoutParticipant(room, participantId) : withParticipant(room, participant);
    set({ ...before, room: after });
    if (!isOwn && gone === known) set(withCompany(view(), gone ? 'left' : 'came', name));
    if (isOwn && !gone) this.#obey(participant);
    this.#follow();
  }

  /** The microphone is what the caller wants already: the POP and the others are to know. */
  setMuted(muted: boolean): void {
    if (this.#options.view().room) void this.#tellMuted(muted);
  }

  /** Show the others a picture, or none. */
  async setCamera(on: boolean): Promise<void> {
    const { view, set, openCamera } = this.#options;
    if (on === this.#seen || !view().room) return;
    this.#seen = on;
    if (!on) {
      this.#leaveCamera();
      set({ ...view(), cameraStream: null, cameraProblem: null });
      this.#show(null);
      return;
    }
    set({ ...view(), cameraProblem: null });
    try {
      const camera = await openCamera();
      if (this.#closed || !this.#seen || this.#camera) {
        camera.close();
        return;
      }
      this.#camera = camera;
      camera.onLost(() => {
        void this.setCamera(false);
        set({ ...view(), cameraProblem: failureOf('CAMERA_LOST', 'The camera stopped.') });
      });
      set({ ...view(), cameraStream: camera.stream });
      this.#show(camera.track);
    } catch (error) {
      this.#seen = false;
      if (!this.#closed) set({ ...view(), cameraProblem: asFailure(error) });
    }
  }

  /** Silence another. What comes of it is told by the POP, or by `problem`. */
  muteOther(participantId: string): Promise<void> {
    return this.#try(() => this.#options.request('mute', { muted: true, participantId }));
  }

  remove(participantId: string): Promise<void> {
    return this.#try(() => this.#options.request('remove', { participantId }));
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#leaveCamera();
  }

  #follow(): void {
    const { room } = this.#options.view();
    if (room) this.#options.media()?.follow(wantedStreams(room));
  }

  #show(track: MediaStreamTrack | null): void {
    this.#options
      .media()
      ?.show(track)
      .catch((error) => {
        // One that is not shown any more is nobody's trouble.
        if (this.#closed || this.#camera?.track !== track) return;
        const { view, set } = this.#options;
        this.#seen = false;
        this.#leaveCamera();
        set({ ...view(), cameraStream: null, cameraProblem: asFailure(error) });
      });
  }

  #leaveCamera(): void {
    this.#camera?.close();
    this.#camera = null;
  }

  /** Somebody else may have silenced this caller. Not while it says itself what it wants to be. */
  #obey(own: Participant | undefined): void {
    const { view, set, silence } = this.#options;
    if (!own?.muted || view().muted || this.#asking > 0 || this.#untold) return;
    silence(true);
    set(withCompany({ ...view(), muted: true }, 'silenced', own.name));
  }

  async #tellMuted(muted: boolean): Promise<void> {
    const { request, view, set, silence } = this.#options;
    this.#asking += 1;
    this.#untold = false;
    try {
      await request('mute', { muted });
      this.#setProblem(null);
    } catch (error) {
      if (this.#closed) return;
      const failure = asFailure(error);
      // Said again when the POP is back.
      if (failure.code === 'CONNECTION_LOST' || failure.code === 'SERVER_UNREACHABLE') {
        this.#untold = true;
        return;
      }
      // Who believes to be heard and is not must know.
      if (!muted && !view().muted) {
        silence(true);
        set({ ...view(), muted: true });
      }
      this.#setProblem(error);
    } finally {
      this.#asking -= 1;
    }
  }

  async #try(wish: () => Promise<unknown>): Promise<void> {
    try {
      await wish();
      this.#setProblem(null);
    } catch (error) {
      if (!this.#closed) this.#setProblem(error);
    }
  }

  #setProblem(error: unknown): void {
    const { view, set } = this.#options;
    const before = view();
    if (!before.room) return;
    const problem = error === null ? null : asFailure(error);
    if (before.room.problem !== problem) set({ ...before, room: { ...before.room, problem } });
  }
}
