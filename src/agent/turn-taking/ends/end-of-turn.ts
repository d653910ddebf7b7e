/**
 * Judges of turn ends: each hears one turn of the caller and says when it has probably, or certainly, ended. Owns the
 * contract; what becomes of a verdict is take-turns'. A backstop of silence ends a turn that no judge ends.
 */
import type { CallerAudioFrame, SttTurnFrame, VoiceFrame } from '../../frames.ts';
import type { EndVerdict } from '../transition.ts';

export type { EndVerdict };

export interface EndOfTurn {
  /** Says in timelines and traces who decided, such as `silence`. */
  readonly name: string;
  /**
   * For one call. `report` may be called at any time after `begin`, until the next `begin` or `close`; `by` names who
   * decided, where that is not this judge itself.
   */
  open(report: (verdict: EndVerdict, by?: string) => void): EndWatch;
}

export interface EndWatch {
  /** The caller began a turn, or goes on with one that had probably ended. */
  begin(): void;
  /** Every window of voice activity, in turns and between them. */
  voice(frame: VoiceFrame): void;
  /** Every frame of the caller, in turns and between them. */
  audio?(frame: CallerAudioFrame): void;
  /** What a service that detects the ends of turns itself says. */
  stt?(frame: SttTurnFrame): void;
  /** The turn is over, or was none: nothing more is to be reported of it. */
  end(): void;
  close(): void;
}
