/**
 * A decision in words and figures: as the JSON that programs read, and as what a person reads of why. Owns the wording;
 * decides nothing.
 */
import type { Pin } from './pin.ts';
import { pinInWords } from './pin.ts';
import type { LegChoice, MeasuredFigure, PlanCandidate, PlanChoice, PlanOutcome } from './plan-types.ts';

/** Milliseconds, to a tenth. */
export interface Predicted {
  readonly p50: number;
  readonly p95: number;
}

/** What `explain --json` prints. Places are regions. */
export interface Explanation {
  readonly decision: {
    readonly pop: string;
    readonly core: string;
    readonly endpoints: Readonly<Record<string, { readonly id: string; readonly region: string }>>;
    readonly predictedMs: Predicted;
  } | null;
  readonly refused: { readonly code: string; readonly reasons: readonly string[] } | null;
  readonly candidates: readonly {
    readonly pop: string;
    readonly core: string;
    readonly predictedMs: Predicted | null;
    readonly parts: Readonly<Record<string, number>>;
    readonly excluded: string | null;
  }[];
  /** Where each figure of the decision comes from. */
  readonly sources: Readonly<Record<string, string>>;
}

export function explanationOf(outcome: PlanOutcome, candidates: readonly PlanCandidate[]): Explanation {
  const { chosen, refused } = outcome;
  return {
    decision:
      chosen === null
        ? null
        : {
            pop: chosen.popRegion,
            core: chosen.coreRegion,
            endpoints: endpointsByLeg(chosen.endpoints),
            predictedMs: rounded(chosen.predictedMs!),
          },
    refused: refused === null ? null : { code: refused.code, reasons: [...refused.reasons] },
    candidates: candidates.map((candidate) => ({
      pop: candidate.popRegion,
      core: candidate.coreRegion,
      predictedMs: candidate.predictedMs === null ? null : rounded(candidate.predictedMs),
      parts: roundedParts(candidate.parts),
      excluded: candidate.excluded?.reason ?? null,
    })),
    sources: { ...chosen?.sources },
  };
}

/** Leg -> endpoint; a second leg of a kind is `llm-2`. */
export function endpointsByLeg(choices: readonly LegChoice[]): Record<string, { id: string; region: string }> {
  const byLeg: Record<string, { id: string; region: string }> = {};
  for (const { leg, endpoint } of choices) {
    let name: string = leg.kind;
    for (let number = 2; name in byLeg; number++) name = `${leg.kind}-${number}`;
    const { id, region, place } = endpoint;
    // Where it stands is what counts; where nobody knows better, that is the catalogue's word.
    byLeg[name] = { id, region: place === 'local' ? region : place };
  }
  return byLeg;
}

export function rounded({ p50, p95 }: Predicted): Predicted {
  return { p50: tenth(p50), p95: tenth(p95) };
}

export function roundedParts(parts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(parts).map(([name, ms]) => [name, tenth(ms)]));
}

/** Whole requests and milliseconds, hundredths of a share. */
export function roundedFigures(figures: Readonly<Record<string, MeasuredFigure>>): Record<string, MeasuredFigure> {
  return Object.fromEntries(
    Object.entries(figures).map(([name, { count, ageMs, confidence }]) => [
      name,
      {
        ageMs: Math.round(ageMs),
        ...(count !== undefined && { count: Math.round(count) }),
        ...(confidence !== undefined && { confidence: Math.round(confidence * 100) / 100 }),
      },
    ]),
  );
}

/** For people: `240 requests, 12 s ago`; with few of them, the share that they have beside what was known before. */
export function figureInWords({ count, ageMs, confidence = 1 }: MeasuredFigure, noun: string): string {
  const many = count === undefined ? '' : `${Math.round(count)} ${noun}${Math.round(count) === 1 ? '' : 's'}, `;
  const share = confidence < 1 ? `, counting ${Math.round(confidence * 100)} %` : '';
  return `${many}${Math.round(ageMs / 1_000)} s ago${share}`;
}

/** For people: why this place and not the next best. */
export function whyChosen(
  chosen: PlanChoice,
  candidates: readonly PlanCandidate[],
  agent: string,
  pins: readonly Pin[],
): string {
  const where = `${chosen.coreNode} in ${chosen.coreRegion}`;
  const within = pins.length === 0 ? '' : ` within ${pins.map(pinInWords).join(' and ')}`;
  const rivals = candidates.filter(
    ({ excluded, coreRegion, popRegion }) =>
      excluded === null && coreRegion !== chosen.coreRegion && popRegion === chosen.popRegion,
  );
  const next = rivals[0];
  if (next === undefined) return `${where} is the only place${within} with a core that can take ${agent}.`;
  const own = chosen.predictedMs!;
  const gapMs = Math.round(next.predictedMs!.p50 - own.p50);
  const predicted = `${Math.round(own.p50)} ms from voice to voice`;
  if (gapMs >= 0)
    return `${where} is predicted to answer soonest${within}, ${predicted}: ${differences(chosen, next)}.`;
  return (
    `${where} is chosen${within} at ${predicted}, though ${next.coreRegion} would answer ${-gapMs} ms sooner: ` +
    'its load, cost or spread weighs more by the policy.'
  );
}

/** `in ap-southeast-2 it would be 380 ms more (llm +590, popCore -198)`. */
function differences(chosen: PlanCandidate, other: PlanCandidate): string {
  const gap = Math.round(other.predictedMs!.p50 - chosen.predictedMs!.p50);
  const parts = [...new Set([...Object.keys(chosen.parts), ...Object.keys(other.parts)])]
    .map((name) => ({ name, ms: Math.round((other.parts[name] ?? 0) - (chosen.parts[name] ?? 0)) }))
    .filter(({ ms }) => ms !== 0)
    .toSorted((a, b) => Math.abs(b.ms) - Math.abs(a.ms))
    .slice(0, 3)
    .map(({ name, ms }) => `${PART_NAMES[name] ?? name} ${ms > 0 ? '+' : '−'}${Math.abs(ms)}`);
  const detail = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  return `in ${other.coreRegion} it would take ${gap} ms more${detail}`;
}

/** Parts of a prediction, for people. */
export const PART_NAMES: Readonly<Record<string, string>> = {
  callerPop: 'caller to POP',
  popCore: 'POP to core',
  popCoreQuality: 'loss and jitter on that way',
  stt: 'speech to text',
  llm: 'language model',
  tts: 'text to speech',
  s2s: 'speech to speech',
  tool: 'tools',
  endpointing: 'end of turn',
};

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
