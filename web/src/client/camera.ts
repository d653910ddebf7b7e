/** The caller's camera, for a room: opens it small enough for a tile, says in codes why it could not be opened. */
import { CallFailure } from './failure.ts';

const CONSTRAINTS: MediaStreamConstraints = {
  video: { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 24, max: 30 } },
};

/** What the call needs of a camera; Camera is the one for browsers. */
export interface PictureSource {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  onLost(listener: () => void): void;
  close(): void;
}

/** The failure behind an error of getUserMedia. */
export function cameraFailure(error: { name: string; message: string }): CallFailure {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return CallFailure.of('CAMERA_BLOCKED', error.message, error);
    case 'NotFoundError':
    case 'OverconstrainedError':
      return CallFailure.of('CAMERA_NONE', error.message, error);
    case 'NotReadableError':
    case 'AbortError':
      return CallFailure.of('CAMERA_BUSY', error.message, error);
    default:
      return CallFailure.of('PAGE_BROKEN', `${error.name}: ${error.message}`, error);
  }
}

export class Camera implements PictureSource {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;

  private constructor(stream: MediaStream, track: MediaStreamTrack) {
    this.stream = stream;
    this.track = track;
  }

  /** @throws CallFailure with one of the CAMERA_ codes */
  static async open(): Promise<Camera> {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
    } catch (error) {
      throw cameraFailure(error as DOMException);
    }
    const track = stream.getVideoTracks()[0];
    if (!track) throw CallFailure.of('CAMERA_NONE', 'The stream has no video track.');
    return new Camera(stream, track);
  }

  /** The device went away. Once. */
  onLost(listener: () => void): void {
    this.track.onended = listener;
  }

  /** Idempotent; turns the camera's light off. */
  close(): void {
    this.track.onended = null;
    this.track.stop();
  }
}
