/**
 * Those who are in the same room as one of our calls: who they are, what is heard of them, when they come and go. Owns
 * their voices' consumers by way of the call's media; the agent's voice is the call's own.
 */
import type { Participant, SignalingEventName } from '../signaling/protocol.ts';
import type { SinkFrame } from './web-rtc.ts';

export type ParticipantNotice = Extract<SignalingEventName, `participant-${string}`>;

/** Somebody else in the room, as the report tells them. */
export interface Companion {
  name: string;
  /** Node id of the POP that they came in by. */
  pop: string;
  /** Milliseconds of their voice that sounded here. */
  heardMs: number;
  /** Still there when the call ended. */
  stayed: boolean;
}

/** How the voice of another is had. */
export interface VoiceSource {
  /** @throws when the POP has no such voice any more */
  listenTo(producerId: string, onFrame: (frame: SinkFrame) => void): Promise<void>;
}

export interface RoomCompanyOptions {
  /** Who we are there. */
  participantId: string;
  /** For people: who came, who left, who is muted. */
  onNews: (line: string) => void;
}

/** RMS of a frame from which it sounds, full scale 32768: about -46 dBFS, as the listener has it. */
const SOUNDING_RMS = 164;

export class RoomCompany {
  readonly #options: RoomCompanyOptions;
  readonly #companions = new Map<string, Companion>();
  readonly #here = new Map<string, Participant>();
  #source: VoiceSource | null = null;
  /** Voices that are listened to by the present media. */
  #listening = new Set<string>();

  constructor(options: RoomCompanyOptions) {
    this.#options = options;
  }

  get companions(): Companion[] {
    return [...this.#companions.values()];
  }

  /** Everybody who is there, as a join or resume answer tells them. */
  present(participants: readonly Participant[]): void {
    const there = new Set(participants.map(({ participantId }) => participantId));
    for (const [participantId, gone] of this.#here) if (!there.has(participantId)) this.told('participant-left', gone);
    for (const participant of participants) this.told('participant-changed', participant);
  }

  told(notice: ParticipantNotice, participant: Participant): void {
    const { participantId, name, pop, muted } = participant;
    const { onNews } = this.#options;
    if (participantId === this.#options.participantId) return;
    const former = this.#here.get(participantId);
    if (notice === 'participant-left') {
      this.#here.delete(participantId);
      const companion = this.#companions.get(participantId);
      if (companion) companion.stayed = false;
      if (former) onNews(`${name} has left`);
      return;
    }
    this.#here.set(participantId, participant);
    const companion = this.#companions.get(participantId) ?? { name, pop, heardMs: 0, stayed: true };
    this.#companions.set(participantId, Object.assign(companion, { pop, stayed: true }));
    if (!former) onNews(`${name} is here, by ${pop}${muted ? ', muted' : ''}`);
    else if (former.muted !== muted) onNews(`${name} is ${muted ? 'muted' : 'not muted any more'}`);
    void this.#listen(participant);
  }

  /** New media: every voice is asked for again. Null: there is none now. */
  by(source: VoiceSource | null): void {
    this.#source = source;
    this.#listening = new Set();
    for (const participant of this.#here.values()) void this.#listen(participant);
  }

  async #listen({ participantId, audio, name }: Participant): Promise<void> {
    const listening = this.#listening;
    if (this.#source === null || audio === null || listening.has(audio)) return;
    listening.add(audio);
    try {
      await this.#source.listenTo(audio, (frame) => this.#hear(participantId, frame));
    } catch (error) {
      listening.delete(audio);
      // A voice that went meanwhile is told of by the POP.
      if (this.#here.get(participantId)?.audio !== audio || listening !== this.#listening) return;
      this.#options.onNews(`${name} can't be heard: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #hear(participantId: string, { samples, sampleRate, channelCount }: SinkFrame): void {
    let energy = 0;
    for (let index = 0; index < samples.length; index++) energy += samples[index]! * samples[index]!;
    if (energy < SOUNDING_RMS * SOUNDING_RMS * samples.length) return;
    const companion = this.#companions.get(participantId);
    if (companion) companion.heardMs += (samples.length * 1_000) / (sampleRate * channelCount);
  }
}
