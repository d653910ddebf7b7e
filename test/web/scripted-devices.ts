/** What a call takes of a browser, without one: media that flows when it is told to, a microphone, a camera. */
import type { JoinAnswer } from '../../src/signaling/protocol.ts';
import type { PictureSource } from '../../web/src/client/camera.ts';
import { CallFailure } from '../../web/src/client/failure.ts';
import type { MediaHandlers, MediaPath } from '../../web/src/client/media.ts';
import type { VoiceSource } from '../../web/src/client/microphone.ts';

/** Media without a browser: flows when it is told to. */
export class ScriptedMedia implements MediaPath {
  established = false;
  healed = 0;
  closed = false;
  replaced: unknown[] = [];
  answer: JoinAnswer | null = null;
  followed: readonly string[] = [];
  shown: (MediaStreamTrack | null)[] = [];
  readonly handlers: MediaHandlers;

  constructor(handlers: MediaHandlers) {
    this.handlers = handlers;
  }

  async setUp(answer: JoinAnswer, track: Promise<MediaStreamTrack>): Promise<void> {
    this.answer = answer;
    await track.catch((error) => this.handlers.lost(error.failure));
  }

  flow(): void {
    this.established = true;
    this.handlers.flowing();
  }

  async replaceTrack(track: MediaStreamTrack): Promise<void> {
    this.replaced.push(track);
  }

  heal(): void {
    this.healed += 1;
  }

  follow(producerIds: readonly string[]): void {
    this.followed = producerIds;
  }

  async show(track: MediaStreamTrack | null): Promise<void> {
    this.shown.push(track);
  }

  async sample() {
    return { rttMs: 20, packetsReceived: 0, packetsLost: 0, protocol: null };
  }

  close(): void {
    this.closed = true;
  }
}

export class ScriptedMicrophone implements VoiceSource {
  readonly stream = {} as MediaStream;
  readonly track = {} as MediaStreamTrack;
  muted = false;
  closed = false;
  lose: () => void = () => {};

  onLost(listener: () => void): void {
    this.lose = listener;
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
  }

  close(): void {
    this.closed = true;
  }
}

export class ScriptedCamera implements PictureSource {
  readonly stream = {} as MediaStream;
  readonly track = {} as MediaStreamTrack;
  closed = false;
  lose: () => void = () => {};

  onLost(listener: () => void): void {
    this.lose = listener;
  }

  close(): void {
    this.closed = true;
  }
}

export async function noCamera(): Promise<PictureSource> {
  throw CallFailure.of('CAMERA_NONE', 'Requested device not found');
}
