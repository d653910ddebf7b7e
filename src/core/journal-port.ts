/** A call's journal as its agent sees it: positions of the ear's stream clock become packets of the caller. */
import type { CallJournal } from '../agent/journal/index.ts';
import type { CallEar } from './ear.ts';
import type { JournalWriter } from './journal-writer.ts';

export function journalPort(
  writer: Pick<JournalWriter, 'note' | 'whenKept'>,
  ear: Pick<CallEar, 'packetBefore'>,
): CallJournal {
  return {
    note(note) {
      if (note.type === 'listened') {
        const packet = ear.packetBefore(note.position);
        if (packet !== null) writer.note({ type: 'listened', packet });
      } else if (note.type === 'heard') {
        const packet = note.position === null ? null : ear.packetBefore(note.position);
        writer.note({ type: 'heard', turn: note.turn, packet });
      } else writer.note(note);
    },
    kept: () => writer.whenKept(),
  };
}
