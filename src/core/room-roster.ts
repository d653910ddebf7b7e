/** Who is in a room, as its agent sees it. Owns the list and who is told of its changes. */
import type { Participant, ParticipantChange, Participants } from '../agent/types.ts';

export class RoomRoster implements Participants {
  readonly #onFault: (error: unknown) => void;
  #list: readonly Participant[] = [];
  #listeners: ((change: ParticipantChange) => void)[] = [];

  /** @param onFault a listener threw */
  constructor(onFault: (error: unknown) => void) {
    this.#onFault = onFault;
  }

  get list(): readonly Participant[] {
    return this.#list;
  }

  onChange(listener: (change: ParticipantChange) => void): () => void {
    const entry = (change: ParticipantChange) => listener(change);
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  /** @param returned they were here when another core had the room */
  joined(participant: Participant, returned: boolean): void {
    this.#list = [...this.#list, participant];
    this.#tell({ type: returned ? 'returned' : 'joined', participant });
  }

  left(participantId: string): void {
    const participant = this.#list.find((one) => one.participantId === participantId);
    if (!participant) return;
    this.#list = this.#list.filter((one) => one !== participant);
    this.#tell({ type: 'left', participant });
  }

  mute(participantId: string, muted: boolean): void {
    const at = this.#list.findIndex((one) => one.participantId === participantId);
    const former = this.#list[at];
    if (!former || former.muted === muted) return;
    const participant = { ...former, muted };
    this.#list = this.#list.with(at, participant);
    this.#tell({ type: muted ? 'muted' : 'unmuted', participant });
  }

  close(): void {
    this.#listeners = [];
  }

  #tell(change: ParticipantChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }
}
