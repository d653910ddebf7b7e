/**
 * From the log of a call to what happened when somebody made a sound over the agent: how long it took to fall silent, when
 * it went on, and how much it said in all. Pure. Times are the fake POP's clock.
 */
import type { CallLog, HeardSpurt } from './fake-pop/messages.ts';

/** No answer begins this soon after the end of a voice, and no answer that is cut off lasts this long after it. */
const CUT_OFF_BY_MS = 250;
/** Voice activity knows of a sound this long after it at the latest: what pauses later does so for another reason. */
const PAUSED_BY_MS = 150;
/** An answer that is to go on has done so by then. */
const RESUMED_BY_MS = 1_500;

/**
 * Of each voice over the agent: from its first sound to the mouth's last packet. `ignored` counts those that the agent
 * spoke on over.
 */
export function interruptionsOf(log: CallLog): { tookMs: number[]; ignored: number } {
  const tookMs: number[] = [];
  let ignored = 0;
  for (const { first, last } of saidIn(log, (kind) => kind === 'speech')) {
    const spoken = log.spurts.filter(({ firstAtMs }) => firstAtMs < last + CUT_OFF_BY_MS);
    if (!spoken.some((spurt) => spurt.firstAtMs < first && spurt.lastAtMs > first)) continue;
    const silentAtMs = Math.max(...spoken.map(({ lastAtMs }) => lastAtMs));
    if (silentAtMs > last + CUT_OFF_BY_MS) ignored += 1;
    else tookMs.push(silentAtMs - first);
  }
  return { tookMs, ignored };
}

export interface DisturbingSound {
  /** From its end to the mouth's next packet; null when the mouth did not fall silent. */
  resumedMs: number | null;
  /** The answer did not go on. */
  cutOff: boolean;
}

/** Of each sound over the agent that was no words. */
export function soundsOf(log: CallLog): DisturbingSound[] {
  return saidIn(log, (kind) => kind !== 'speech').flatMap(({ first, last }): DisturbingSound[] => {
    const speaks = log.spurts.findIndex((spurt) => spurt.firstAtMs < first && spurt.lastAtMs > first);
    if (speaks < 0) return [];
    const spurt = log.spurts[speaks]!;
    if (spurt.lastAtMs > last + PAUSED_BY_MS) return [{ resumedMs: null, cutOff: false }];
    const next: HeardSpurt | undefined = log.spurts[speaks + 1];
    // The log ends before it could have gone on.
    if (!next && (log.sounds.at(-1)?.atMs ?? 0) < last + RESUMED_BY_MS) return [];
    if (!next || next.firstAtMs > last + RESUMED_BY_MS) return [{ resumedMs: null, cutOff: true }];
    return [{ resumedMs: Math.max(0, next.firstAtMs - last), cutOff: false }];
  });
}

/** Frames of each whole answer: of all that the mouth said between two questions. */
export function answersOf(log: CallLog): number[] {
  const questions = saidIn(log, (kind) => kind === 'speech');
  return questions.slice(0, -1).map(({ last }, index) => {
    const until = questions[index + 1]!.first;
    return log.spurts
      .filter(({ firstAtMs }) => firstAtMs > last && firstAtMs < until)
      .reduce((sum, { frames }) => sum + frames, 0);
  });
}

/** Beginning and end of each sound. */
function saidIn(log: CallLog, wanted: (kind: string) => boolean): { first: number; last: number }[] {
  return log.sounds.flatMap((sound, at) => {
    if (sound.edge !== 'first' || !wanted(sound.kind)) return [];
    const end = log.sounds.slice(at + 1).find(({ index, edge }) => index === sound.index && edge === 'last');
    return end ? [{ first: sound.atMs, last: end.atMs }] : [];
  });
}
