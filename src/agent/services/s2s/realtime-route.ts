/**
 * Where the connections of one conversation go: one service, or several of which another takes over when one fails. The
 * conversation asks before each connection and tells how it went; who decides by what is the route's matter.
 */
import { AntipodeError } from '../../../errors.ts';
import type { RealtimeSettings } from './openai-realtime.ts';

/** A service that may be connected to now. */
export interface RealtimeTarget {
  readonly settings: RealtimeSettings;
  /** The voice that the call names is one of this service's. */
  readonly takesVoice: boolean;
}

export interface RealtimeRoute {
  /** The one that is to be used first; asks for nothing. */
  readonly preferred: RealtimeTarget;
  /**
   * For the next connection.
   * @throws ERR_SERVICE_UNAVAILABLE when none may be asked now
   */
  take(): RealtimeTarget;
  /** Until `take` may give one, ms; 0 when it would now, infinite when it never will. */
  waitMs(): number;
  /** The connection to the one that was taken is set up. */
  established(): void;
  /** It did what it was asked. */
  proved(): void;
  /** It failed, at its opening or later. `final`: the same would come of another try. */
  ended(error: AntipodeError, final: boolean): void;
  /** Nobody wants it any more. */
  released(): void;
}

/** The only service that there is: tried again unless it has refused for good. */
export class SingleRoute implements RealtimeRoute {
  readonly preferred: RealtimeTarget;
  #isRefused = false;

  constructor(settings: RealtimeSettings) {
    this.preferred = { settings, takesVoice: true };
  }

  take(): RealtimeTarget {
    if (!this.#isRefused) return this.preferred;
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${this.preferred.settings.label} has refused us.`);
  }

  waitMs(): number {
    return this.#isRefused ? Number.POSITIVE_INFINITY : 0;
  }

  established(): void {}

  proved(): void {}

  ended(_error: AntipodeError, final: boolean): void {
    this.#isRefused = final;
  }

  released(): void {}
}
