/** Prints an explained decision for people: what was chosen and why, then a table of every place. Owns the layout. */
import {
  type Explanation,
  figureInWords,
  PART_NAMES,
  type Pin,
  type PlacedAgent,
  type PlanCandidate,
  type PlanOutcome,
  pinInWords,
  whyChosen,
} from './placement/index.ts';

export interface ExplainedDecision {
  readonly explanation: Explanation;
  readonly outcome: PlanOutcome;
  readonly candidates: readonly PlanCandidate[];
  readonly agent: string;
  readonly pins: readonly Pin[];
  readonly caller: { readonly how: string };
  readonly knownAgents: ReadonlyMap<string, PlacedAgent>;
}

export function printExplanation(decision: ExplainedDecision, out: { write(text: string): unknown }): void {
  const { explanation, outcome, candidates, agent, pins, caller, knownAgents } = decision;
  const lines: string[] = [];
  lines.push(`Caller   ${caller.how}`);
  const legs = knownAgents.get(agent)?.legs ?? [];
  const words = legs.map(({ kind, services, k }) => `${kind} by ${services.join(' or ')}, ${hundredth(k)} a turn`);
  lines.push(`Agent    ${agent}${words.length === 0 ? '' : ` (${words.join('; ')})`}`);
  lines.push(`Pins     ${pins.length === 0 ? 'none' : pins.map(pinInWords).join(' and ')}`);
  if (outcome.chosen !== null) {
    const { p50, p95 } = explanation.decision!.predictedMs;
    lines.push(`Chosen   POP ${outcome.chosen.popRegion}, core ${outcome.chosen.coreRegion}`);
    lines.push(
      `         ${Math.round(p50)} ms from voice to voice for half of all turns, ${Math.round(p95)} ms for 95 %`,
    );
    for (const [leg, { id, region }] of Object.entries(explanation.decision!.endpoints)) {
      lines.push(
        `         ${leg} at ${id}, ${region === 'local' ? 'on the core itself' : `taken to stand in ${region}`}`,
      );
    }
    lines.push(`Why      ${whyChosen(outcome.chosen, candidates, agent, pins)}`);
    const sources = Object.entries(explanation.sources).map(([name, source]) => `${name} ${source}`);
    lines.push(`Sources  ${sources.join(', ')}`);
    const measured = Object.entries(outcome.chosen.measured).map(
      ([name, figure]) => `${name} (${figureInWords(figure, name.endsWith(' k') ? 'turn' : 'request')})`,
    );
    if (measured.length > 0) lines.push(`Measured ${measured.join(', ')}`);
  } else {
    lines.push(`Refused  ${outcome.refused.code}`);
    for (const reason of outcome.refused.reasons) lines.push(`         ${reason}`);
  }
  lines.push('', ...tableOf(explanation), '');
  out.write(lines.map((line) => `${line.trimEnd()}\n`).join(''));
}

/** Milliseconds; a place without an endpoint for each leg has no sum. */
function tableOf({ candidates }: Explanation): string[] {
  if (candidates.length === 0) return ['There is no pair of a POP and a core to look at.'];
  const order = Object.keys(PART_NAMES);
  const parts = [...new Set(candidates.flatMap((each) => Object.keys(each.parts)))].toSorted(
    (a, b) => order.indexOf(a) - order.indexOf(b),
  );
  const head = ['POP', 'CORE', 'P50', 'P95', ...parts, 'WHY NOT'];
  const rows = candidates.map(({ pop, core, predictedMs, parts: own, excluded }) => [
    pop,
    core,
    predictedMs === null ? '-' : String(Math.round(predictedMs.p50)),
    predictedMs === null ? '-' : String(Math.round(predictedMs.p95)),
    ...parts.map((name) => (own[name] === undefined ? '-' : String(Math.round(own[name])))),
    excluded ?? '',
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isNumber = (column: number) => column >= 2 && column < head.length - 1;
  return all.map((row) =>
    row
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  '),
  );
}

function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
