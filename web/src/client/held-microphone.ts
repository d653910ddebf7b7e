/**
 * The microphone of one call across the devices that it takes: the one it began with, and another one after that was
 * pulled out. Owns muting and the problem that there is none; opening and its failures are microphone.ts's.
 */
import { asFailure, type Failure, failureOf } from './failure.ts';
import type { VoiceSource } from './microphone.ts';

export interface HeldMicrophoneHandlers {
  /** A device is open: the first, or one in place of a lost one. */
  opened(microphone: VoiceSource): void;
  /** The device is gone, for this reason; null when another one has taken over. */
  problem(failure: Failure | null): void;
}

export class HeldMicrophone {
  readonly #open: () => Promise<VoiceSource>;
  readonly #handlers: HeldMicrophoneHandlers;
  #current: Promise<VoiceSource>;
  #problem: Failure | null = null;
  #reopening = false;
  #muted = false;
  #closed = false;

  /** Begins to open the first device at once. */
  constructor(open: () => Promise<VoiceSource>, handlers: HeldMicrophoneHandlers) {
    this.#open = open;
    this.#handlers = handlers;
    this.#current = open();
    this.#current.then((microphone) => this.#adopt(microphone), ignore);
  }

  /** The track to send; rejects with a CallFailure when the first device can't be opened. */
  get track(): Promise<MediaStreamTrack> {
    return this.#current.then((microphone) => microphone.track);
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#current.then((microphone) => microphone.setMuted(this.#muted), ignore);
  }

  /** Open a device again if the one in use is gone; what comes of it is told by the handlers. */
  async reopen(): Promise<void> {
    if (this.#problem === null || this.#reopening || this.#closed) return;
    this.#reopening = true;
    try {
      const microphone = await this.#open();
      this.#current = Promise.resolve(microphone);
      this.#adopt(microphone);
      this.#tell(null);
    } catch (error) {
      const failure = asFailure(error);
      this.#tell(failure.code === 'MIC_NONE' ? failureOf('MIC_LOST', failure.message) : failure);
    } finally {
      this.#reopening = false;
    }
  }

  /** Idempotent; a device that is still being opened is closed as soon as it is. */
  close(): void {
    this.#closed = true;
    this.#current.then((microphone) => microphone.close(), ignore);
  }

  #adopt(microphone: VoiceSource): void {
    if (this.#closed) {
      microphone.close();
      return;
    }
    microphone.setMuted(this.#muted);
    microphone.onLost(() => {
      this.#tell(failureOf('MIC_LOST', 'The microphone stopped.'));
      // Another device may be there: the browser picks it without asking again.
      void this.reopen();
    });
    this.#handlers.opened(microphone);
  }

  #tell(problem: Failure | null): void {
    if (this.#closed) return;
    this.#problem = problem;
    this.#handlers.problem(problem);
  }
}

/** For promises whose failure is handled where they are awaited. */
function ignore(): void {}
