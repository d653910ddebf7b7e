/**
 * What an agent sees of a call: an `Ear` to hear with, a `Mouth` to speak with, a message port, a clock. Nothing here
 * knows mediasoup, RTP or nodes; the core implements Ear and Mouth on RTP, tests implement them on arrays.
 */
import type { Clock } from '../clock.ts';
import type { Logger } from '../telemetry/index.ts';
import type { ClientEvent, ClientMessage, SessionEnd } from './client-events.ts';
import type { AllowedHost } from './egress/egress-context.ts';
import type { CallJournal, ResumedCall } from './journal/index.ts';
import type { LegSink } from './observe/leg-observer.ts';
import type { Observe } from './observe/observation.ts';

/** Sample rate of everything that an agent hears, Hz. */
export const EAR_SAMPLE_RATE = 16_000;
/** Samples of one ear frame: 20 ms. */
export const EAR_FRAME_SAMPLES = 320;

/** Somebody in a room, as the agent knows them. */
export interface Speaker {
  readonly participantId: string;
  /** What the others call them: 1 to 64 characters, without control characters. Chosen by them, so not to be trusted. */
  readonly name: string;
}

export function isSameSpeaker(one: Speaker | null | undefined, other: Speaker | null | undefined): boolean {
  return one?.participantId === other?.participantId;
}

export interface Participant extends Speaker {
  /** Nobody hears them. */
  readonly muted: boolean;
}

/** `returned`: they were here when another core had the room. */
export interface ParticipantChange {
  readonly type: 'joined' | 'returned' | 'left' | 'muted' | 'unmuted';
  readonly participant: Participant;
}

/** Who is in a room. */
export interface Participants {
  /** As it is now, in the order of their coming; a later change makes a new array. */
  readonly list: readonly Participant[];
  /** Told of each change after it; the function that it returns takes the listener back. */
  onChange(listener: (change: ParticipantChange) => void): () => void;
}

/** How a frame came to be: heard, or made up in place of audio that was lost or never sent. */
export type EarFrameOrigin = 'received' | 'fec' | 'concealed' | 'silence';

/** 20 ms of the caller. The PCM buffer belongs to the listener once it is handed over. */
export interface EarFrame {
  /** 320 samples, 16 kHz mono, full scale +-32768. */
  readonly pcm: Int16Array;
  /** Samples heard before this frame since the call began: the stream clock. */
  readonly position: number;
  /** Monotonic milliseconds (Clock.now) at which the last packet behind this frame reached the core. */
  readonly receivedAtMs: number;
  readonly origin: EarFrameOrigin;
  /** In a room, whose it is; absent where there is but one caller. */
  readonly speaker?: Speaker;
  /** In a room, somebody else speaks already, and is heard after this one. */
  readonly othersWait?: boolean;
}

export interface Ear {
  readonly sampleRate: typeof EAR_SAMPLE_RATE;
  /** Every frame from now on, in order, without holes; call the returned function to stop. */
  onFrame(listener: (frame: EarFrame) => void): () => void;
}

/** How much of an utterance the caller was played. */
export interface Heard {
  utterance: number;
  /** Milliseconds of the utterance that left the POP's writer. */
  playedMs: number;
  /** Milliseconds of it that were written to the mouth so far. */
  writtenMs: number;
  /** All of it was written (finish() called) and played. */
  complete: boolean;
}

export interface MouthEvents {
  /** First packet of the utterance was sent, at monotonic `atMs`. */
  started: [{ utterance: number; atMs: number }];
  /** The POP confirmed more played audio. */
  progressed: [Heard];
  /** Everything of a finished utterance has been played, or it was flushed. */
  ended: [Heard & { flushed: boolean }];
}

/** The agent's voice. One utterance at a time is audible, in the order of their opening; nothing overtakes. */
export interface Mouth {
  /** Open an utterance; the number grows by one each time. */
  open(): number;
  /**
   * Append PCM to an open utterance.
   * @param pcm mono, full scale +-32768, any length
   * @param sampleRate Hz, 8000..48000
   */
  write(utterance: number, pcm: Int16Array, sampleRate: number): void;
  /** No more audio will come for it. Idempotent. */
  finish(utterance: number): void;
  /**
   * Fall silent after the packet that is on its way, and keep what was not sent; writing goes on. Idempotent. `flush`
   * ends the pause too.
   */
  pause(): void;
  /** Go on where `pause` stopped. Does nothing without one. */
  resume(): void;
  /**
   * Whether a sound of the caller may silence the mouth at the POP before the agent has heard of it. What comes of the
   * sound is then known by `flush`, by `pause` and `resume`, or by none of them soon. False until it is told otherwise.
   */
  yields(on: boolean): void;
  /** Stop now: drop all that has not been played, here and at the POP; answers with what was heard of each. */
  flush(): Heard[];
  /** What was heard of an utterance so far, by the POP writer's clock. */
  heard(utterance: number): Heard;
  /** Milliseconds written and not yet sent. */
  readonly bufferedMs: number;
  on<E extends keyof MouthEvents>(event: E, listener: (...args: MouthEvents[E]) => void): () => void;
}

/** Where a session's services are, and what keeps its data in: decided by placement, enforced where the session runs. */
export interface Confinement {
  /** For people: the pins that hold, such as `"eu" (request)`; null when its data may go anywhere. */
  readonly pins: string | null;
  /** `service@region` of the AI endpoints that the session uses, the chosen ones first. */
  readonly endpoints: readonly string[];
  /** Hosts that its tools may reach beside them. */
  readonly hosts: readonly AllowedHost[];
}

/** Something that a session's data touched, or tried to. */
export interface DataTouch {
  readonly kind: 'endpoint' | 'store' | 'stopped';
  /** An endpoint such as `openai@eu`, a store's name, or the host that was refused. */
  readonly name: string;
  /** The catalogue's region of an endpoint, `local` on this node; null when unknown. */
  readonly region: string | null;
  /** For people: what for. */
  readonly detail: string;
}

/** What a core gives an agent host of a call. */
export interface CallPorts {
  readonly sessionId: string;
  readonly room: string;
  /** Metadata that came with the session request; untrusted JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ear: Ear;
  readonly mouth: Mouth;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the call ends; every stage closes within 100 ms of it. */
  readonly signal: AbortSignal;
  /** Last measured POP-core round trip, ms, null before the first measurement. */
  backboneRttMs(): number | null;
  /** Tell the client. */
  send(event: ClientEvent): void;
  /** What the client tells; in a room, with who it is from. */
  onMessage(listener: (message: ClientMessage, from?: Speaker) => void): () => void;
  /** End the call once; later calls do nothing. */
  hangUp(end: SessionEnd): void;
  /** Null when placement said nothing: then the node's own configuration holds. */
  readonly confinement: Confinement | null;
  /** Tell what the session's data touched, for its residency record. */
  touched(touch: DataTouch): void;
  /**
   * Tell whether nobody speaks and nothing is owed: the moments at which the call may go to another core. It counts as not
   * so until it is told.
   */
  rests?(rests: boolean): void;
  /** Keeps how long the legs of its turns took; nobody does when absent. */
  readonly legs?: LegSink;
  /** Takes what another core would need to go on with the call; nobody does when absent. */
  readonly journal?: CallJournal;
  /** Where another core left off with this call; absent for one that begins. */
  readonly resumed?: ResumedCall;
  /** Who is in the room; absent in a call of one caller. */
  readonly participants?: Participants;
}

/** A running call as its agent sees it. */
export interface AgentCall extends CallPorts {
  /** Say what happened, for whoever observes the call. Never throws. */
  readonly observe: Observe;
}

/** A leg of an agent's turn that goes to an AI service; k is its round trips per turn. Placement reads these. */
export interface Leg {
  kind: 'stt' | 'llm' | 'tts' | 's2s' | 'tool';
  /** Service in the catalogue, such as `openai` or `pocketsphinx`. */
  service: string;
  /** Round trips per turn; the mean of measured turns takes its place once there are enough. */
  k: number;
  /** False: `k` stands, whatever is measured. @defaultValue true */
  measured?: boolean;
  /** Runs on the core itself, without a network. */
  local: boolean;
}
