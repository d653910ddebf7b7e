/**
 * What flows through a pipeline: one discriminated union on `kind`. A frame with a `turn` belongs to that turn's
 * stream and dies with it; a frame without one belongs to the caller's stream, which lasts as long as the call.
 */
import type { AntipodeError } from '../errors.ts';
import type { Turn } from './turn.ts';
import type { EarFrame, Speaker } from './types.ts';

/** The first frame of every call. */
export interface CallStartedFrame {
  readonly kind: 'call-started';
  readonly turn?: undefined;
  readonly atMs: number;
}

/** 20 ms of the caller, as the ear gave it. */
export interface CallerAudioFrame {
  readonly kind: 'caller-audio';
  readonly turn?: undefined;
  readonly audio: EarFrame;
}

/** The caller typed. */
export interface CallerTextFrame {
  readonly kind: 'caller-text';
  readonly turn?: undefined;
  readonly text: string;
  readonly atMs: number;
  /** Who, in a room. */
  readonly speaker?: Speaker;
}

/** What voice activity detection knows after one more window of the caller (32 ms). */
export interface VoiceFrame {
  readonly kind: 'voice';
  readonly turn?: undefined;
  /** Stream position (samples) of the window's end. */
  readonly position: number;
  /** When the window's last packet reached the core. */
  readonly receivedAtMs: number;
  /** The caller is in a stretch of speech. */
  readonly speaking: boolean;
  /** Number of the stretch of speech, the current or the last one; 0 before the first. */
  readonly segment: number;
  /** Position where that stretch began. */
  readonly segmentStart: number;
  /** Voiced milliseconds of that stretch so far. */
  readonly voicedMs: number;
  /** Milliseconds from the last voiced window's end to `position`; Infinity before the first voice. */
  readonly silentMs: number;
  /**
   * As `silentMs`, but begun where the voice began to fade: the first sign that the caller may have finished. 0 when the
   * voice is there or back; never less than `silentMs`.
   */
  readonly quietMs: number;
  /** Whose sound the window ends in, in a room. */
  readonly speaker?: Speaker;
}

/** What a speech-to-text service that hears all of the call and detects turns itself says. */
export interface SttTurnFrame {
  readonly kind: 'stt-turn';
  readonly turn?: undefined;
  /** `asked`: we asked for its words, so that it will not tell by itself that the turn has ended with these. */
  readonly event: 'words' | 'probably-ended' | 'resumed' | 'asked' | 'ended';
  /** All words of its turn so far. */
  readonly text: string;
  readonly atMs: number;
}

/** The caller began a turn, or something began one for the agent (the call, a typed message). */
export interface TurnStartedFrame {
  readonly kind: 'turn-started';
  readonly turn: Turn;
  /** Speech: position at which the caller began; else null, also where the sound is that of the turn before. */
  readonly position: number | null;
}

/** What was said over the agent? The turn is tentative: its words decide what it is. */
export interface TurnQueriedFrame {
  readonly kind: 'turn-queried';
  readonly turn: Turn;
}

/** The turn is the agent's now, probably (`turn.certain` is false until it is sure) or certainly. */
export interface TurnEndedFrame {
  readonly kind: 'turn-ended';
  readonly turn: Turn;
  /** Words of a typed turn; null where speech is to be transcribed or nothing was said (the greeting). */
  readonly text: string | null;
  /** Voiced milliseconds in the turn, by VAD. */
  readonly voicedMs: number;
}

/** What the caller said. Of a turn that is not certain yet they are the words so far, which its `onCertain` ends. */
export interface TranscriptFrame {
  readonly kind: 'transcript';
  readonly turn: Turn;
  /** Empty when nothing was understood. */
  readonly text: string;
  readonly final: boolean;
  /** Voiced milliseconds behind it; 0 for typed words. */
  readonly voicedMs: number;
}

/** More words of the reply. */
export interface ReplyTextFrame {
  readonly kind: 'reply-text';
  readonly turn: Turn;
  readonly text: string;
}

/** The reply is complete. */
export interface ReplyEndedFrame {
  readonly kind: 'reply-ended';
  readonly turn: Turn;
  /** Set to end the call once the reply has been played: the reason, for people. */
  readonly hangUp: string | null;
}

/** A stage could not do its part of a turn; a later stage says so to the caller. */
export interface TurnFailedFrame {
  readonly kind: 'turn-failed';
  readonly turn: Turn;
  readonly stage: string;
  readonly error: AntipodeError;
}

export type Frame =
  | CallStartedFrame
  | CallerAudioFrame
  | CallerTextFrame
  | VoiceFrame
  | SttTurnFrame
  | TurnStartedFrame
  | TurnQueriedFrame
  | TurnEndedFrame
  | TranscriptFrame
  | ReplyTextFrame
  | ReplyEndedFrame
  | TurnFailedFrame;

export type FrameKind = Frame['kind'];
