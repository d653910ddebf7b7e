/** What a model reads of a context with several callers in it: who said what, before the words. Pure. */
import type { ConversationEntry } from './conversation-entry.ts';

/**
 * Entries with `Ann: ` before the words of each caller that has a name, where there is, or was, more than one of them. A
 * second one of the same name is `Ann (2)`.
 */
export function withNames(entries: readonly ConversationEntry[]): readonly ConversationEntry[] {
  if (!hasSeveral(entries)) return entries;
  const labels = new Map<string, string>();
  const labelOf = ({ participantId, name }: { participantId: string; name: string }): string => {
    const known = labels.get(participantId);
    if (known !== undefined) return known;
    const taken = new Set(labels.values());
    let label = name;
    for (let number = 2; taken.has(label); number++) label = `${name} (${number})`;
    labels.set(participantId, label);
    return label;
  };
  return entries.map((entry) =>
    entry.role === 'caller' && entry.speaker ? { ...entry, text: `${labelOf(entry.speaker)}: ${entry.text}` } : entry,
  );
}

function hasSeveral(entries: readonly ConversationEntry[]): boolean {
  let first: string | null = null;
  for (const entry of entries) {
    if (entry.role !== 'caller') continue;
    if (entry.note) return true;
    const { speaker } = entry;
    if (!speaker) continue;
    if (first !== null && first !== speaker.participantId) return true;
    first = speaker.participantId;
  }
  return false;
}
