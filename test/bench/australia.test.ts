import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chartOf } from '../../bench/australia/chart.ts';
import type { Measured, MeasuredScenario } from '../../bench/australia/measure.ts';
import { offPercent, PAGE, tableOf, winnerOf, withTable } from '../../bench/australia/page.ts';
import {
  CORES,
  type Place,
  predict,
  ROUNDS,
  SCENARIOS,
  SERVICE_MS,
  SYDNEY,
  servicesOf,
  VIRGINIA,
} from '../../bench/australia/scenarios.ts';
import { answerAfterLookUps, lookUpInstructions } from '../../bench/service-fakes/look-ups.ts';
import type { FakeCompatibleRequest } from '../../test/fakes/openai-compatible.ts';

const scenario = (key: string) => SCENARIOS.find((each) => each.key === key)!;

describe('the world that placement is given', () => {
  it('has the ways of the shipped matrix, and the services where the scenario has them', () => {
    const { predictions, network } = predict(scenario('usOnly'));
    expect([network.between(SYDNEY, VIRGINIA), network.between(SYDNEY, SYDNEY)]).toEqual([199.7, 4.1]);
    for (const core of CORES)
      expect(servicesOf(predictions, core)).toEqual({ stt: VIRGINIA, llm: VIRGINIA, tts: VIRGINIA });
    const { parts } = predictions[2]!.candidates.get(SYDNEY)!;
    expect(parts.llm).toBeCloseTo(4 * (199.7 + SERVICE_MS.llm), 5);
  });

  it('lets a core in Sydney use the open weights there, and one in Virginia the models there', () => {
    const { predictions } = predict(scenario('slowLocal'));
    expect(servicesOf(predictions, SYDNEY)).toEqual({ stt: SYDNEY, llm: SYDNEY, tts: SYDNEY });
    expect(servicesOf(predictions, VIRGINIA)).toEqual({ stt: VIRGINIA, llm: VIRGINIA, tts: VIRGINIA });
  });

  it('has the caller beside the models, beside itself, and for slower models by k', () => {
    const chosen = (key: string) => predict(scenario(key)).predictions.map((each) => each.chosen);
    expect(chosen('usOnly')).toEqual([VIRGINIA, VIRGINIA, VIRGINIA]);
    expect(chosen('local')).toEqual([SYDNEY, SYDNEY, SYDNEY]);
    expect(chosen('slowLocal')).toEqual([SYDNEY, VIRGINIA, VIRGINIA]);
  });
});

describe('the fake language model', () => {
  const asked = (roles: readonly string[], k: number) =>
    answerAfterLookUps('Nine.')({
      model: 'm',
      messages: [{ role: 'system', content: lookUpInstructions(k) }, ...roles.map((role) => ({ role, content: 'x' }))],
    } as FakeCompatibleRequest);

  it('calls the tool until the turn has k - 1 results', () => {
    expect(asked(['user'], 1)).toEqual({ text: 'Nine.' });
    expect(asked(['user'], 3).toolCalls).toHaveLength(1);
    expect(asked(['user', 'assistant', 'tool'], 3).toolCalls).toHaveLength(1);
    expect(asked(['user', 'assistant', 'tool', 'assistant', 'tool'], 3)).toEqual({ text: 'Nine.' });
  });

  it('counts the results of this turn only', () => {
    expect(asked(['user', 'assistant', 'tool', 'assistant', 'user'], 2).toolCalls).toHaveLength(1);
  });
});

describe('what was measured', () => {
  const row = (k: number, core: Place, p50Ms: number | null, predictedMs = 1_000): Measured => ({
    ...{ core, k, turns: 20, stalled: 0, unanswered: 0, p50Ms, p95Ms: p50Ms, predictedMs },
  });
  const measured = (sydneyMs: number | null): MeasuredScenario => ({
    scenario: scenario('usOnly'),
    rows: ROUNDS.flatMap((k) => [row(k, SYDNEY, sydneyMs), row(k, VIRGINIA, 800)]),
    chosen: new Map(ROUNDS.map((k) => [k, VIRGINIA])),
    notices: [],
    endedCalls: 0,
  });
  const about = { command: 'npm run bench', machine: 'a machine', date: new Date('2026-11-20T12:00:00Z') };

  it('is compared with the prediction, and has a winner only where both places were measured', () => {
    expect(offPercent(row(1, SYDNEY, 800))).toBe(25);
    expect(offPercent(row(1, SYDNEY, null))).toBeNull();
    expect(winnerOf(measured(900), 1)?.core).toBe(VIRGINIA);
    expect(winnerOf(measured(700), 1)?.core).toBe(SYDNEY);
    expect(winnerOf(measured(null), 1)).toBeNull();
  });

  it('becomes a table that marks the faster place and the one that the policy picks', () => {
    const table = tableOf([measured(900)], about);
    expect(table).toContain(
      '| models in Virginia only | 1 | 1000, 900 ms | +11.1 % | 1000, **800 ms** \\* | +25.0 % |',
    );
    expect(table).toContain('`npm run bench`, 2026-11-20, a machine.');
    expect(tableOf([measured(null)], about)).toContain('| 1000, none | - |');
  });

  it('is written between the marks of its page, which has them', () => {
    const page = readFileSync(join(import.meta.dirname, '../..', PAGE), 'utf8');
    const written = withTable(withTable(page, 'TABLE ONE'), 'TABLE TWO');
    expect(written).toContain('TABLE TWO');
    expect(written).not.toContain('TABLE ONE');
    expect(() => withTable('no marks', 'x')).toThrow('measured: begin');
  });

  it('becomes a chart with a bar for each figure, a mark for each prediction, and the figures as words', () => {
    const chart = chartOf([measured(900), measured(null)]);
    expect(chart.match(/<rect class="sydney" x="[\d.]+" y="[\d.]+" width="26"/g)).toHaveLength(3);
    expect(chart.match(/<rect class="virginia" x="[\d.]+" y="[\d.]+" width="26"/g)).toHaveLength(6);
    expect(chart.match(/<line class="mark"/g)).toHaveLength(1 + 12);
    expect(chart).toContain('k 4, Virginia: 800 ms, predicted 1000 ms.');
    expect(chart).toContain('prefers-color-scheme: dark');
    expect(chart).not.toContain('NaN');
  });
});
