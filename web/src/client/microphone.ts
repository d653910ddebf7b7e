/**
 * The caller's microphone: opens it with the processing that speech wants, says in codes why it could not be opened,
 * notices when it is pulled out, mutes. Knows nothing of where the sound goes.
 */
import { CallFailure } from './failure.ts';

export type MicrophonePermission = 'granted' | 'denied' | 'prompt' | 'unknown';

const CONSTRAINTS: MediaStreamConstraints = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
};

/** What the browser would answer; 'unknown' where it won't say. */
export async function microphonePermission(): Promise<MicrophonePermission> {
  try {
    const status = await navigator.permissions.query({ name: 'microphone' as PermissionName });
    return status.state;
  } catch {
    return 'unknown';
  }
}

/** The failure behind an error of getUserMedia, with what the Permissions API says after it. */
export function microphoneFailure(
  error: { name: string; message: string },
  permission: MicrophonePermission,
): CallFailure {
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      if (/system/i.test(error.message)) return CallFailure.of('MIC_BLOCKED_BY_SYSTEM', error.message, error);
      // A prompt that was closed without an answer may be shown again; a refusal is remembered.
      if (permission === 'prompt' || /dismiss/i.test(error.message)) {
        return CallFailure.of('MIC_DISMISSED', error.message, error);
      }
      return CallFailure.of('MIC_DENIED', error.message, error);
    case 'NotFoundError':
    case 'OverconstrainedError':
      return CallFailure.of('MIC_NONE', error.message, error);
    case 'NotReadableError':
    case 'AbortError':
      return CallFailure.of('MIC_BUSY', error.message, error);
    default:
      return CallFailure.of('PAGE_BROKEN', `${error.name}: ${error.message}`, error);
  }
}

/** What the call needs of a microphone; Microphone is the one for browsers. */
export interface VoiceSource {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  onLost(listener: () => void): void;
  setMuted(muted: boolean): void;
  close(): void;
}

export class Microphone implements VoiceSource {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  #lost: (() => void) | null = null;

  private constructor(stream: MediaStream, track: MediaStreamTrack) {
    this.stream = stream;
    this.track = track;
    track.onended = () => this.#lost?.();
  }

  /** @throws CallFailure with one of the MIC_ codes */
  static async open(): Promise<Microphone> {
    if (!window.isSecureContext) throw CallFailure.of('MIC_INSECURE', `${location.origin} is not a secure context.`);
    if (!navigator.mediaDevices || typeof RTCPeerConnection === 'undefined') {
      throw CallFailure.of('BROWSER_UNSUPPORTED', 'No mediaDevices or no RTCPeerConnection.');
    }
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
    } catch (error) {
      throw microphoneFailure(error as DOMException, await microphonePermission());
    }
    const track = stream.getAudioTracks()[0];
    if (!track) throw CallFailure.of('MIC_NONE', 'The stream has no audio track.');
    return new Microphone(stream, track);
  }

  /** The device went away (pulled out, taken by the system). Once. */
  onLost(listener: () => void): void {
    this.#lost = listener;
  }

  /** A muted microphone sends silence; the device stays open, so that unmuting is instant. */
  setMuted(muted: boolean): void {
    this.track.enabled = !muted;
  }

  /** Idempotent; turns the browser's recording light off. */
  close(): void {
    this.#lost = null;
    this.track.onended = null;
    this.track.stop();
  }
}
