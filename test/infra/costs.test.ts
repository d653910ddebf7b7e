/** The sums in docs/regions.md are right, and stand on the figures that decide: the plan's densities, the catalogue's prices. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../../src/agent/services/catalogue/index.ts';
import { DEFAULT_POLICY } from '../../src/placement/index.ts';
import { allEndpoints } from '../../src/placement-endpoints.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/regions.md'), 'utf8');
const plan = readFileSync(join(ROOT, 'infra/terraform/modules/plan/variables.tf'), 'utf8');
const benchmarks = readFileSync(join(ROOT, 'docs/benchmarks.md'), 'utf8');

const rows = (heading: string) =>
  page
    .slice(page.indexOf(heading))
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** Of `a x b / (c x d)` and sums of such: numbers and signs only. */
function computed(arithmetic: string): number {
  expect(arithmetic).toMatch(/^[\d.\s+*/()x]+$/);
  return Number(new Function(`return ${arithmetic.replaceAll('x', '*')}`)());
}

describe('what a region costs', () => {
  test('is the sum of its parts', () => {
    const table = rows('### A region').slice(2);
    const parts = table.slice(
      0,
      table.findIndex(([what]) => what === '**sum**'),
    );
    expect(parts.length).toBe(8);
    for (const [what, count, each, sum] of parts)
      expect(Number(count) * Number(each), what).toBeCloseTo(Number(sum), 6);
    const total = parts.reduce((sum, [, , , hour]) => sum + Number(hour), 0);
    expect(table[parts.length]![3]).toBe(`**${Number(total.toFixed(5))}**`);
    expect(page).toContain(`730 hours: ${(total * 730).toFixed(2)} a month.`);
  });
});

describe('what a thousand minutes cost', () => {
  const table = rows('### A thousand minutes').slice(2, 8);

  test.each(table)('%s: %s is %s', (_what, arithmetic, dollars) => {
    expect(computed(arithmetic!)).toBeCloseTo(Number(dollars), 3);
  });

  test('counts sessions by the plan, and the plan by what was measured', () => {
    const default_ = (name: string) =>
      Number(new RegExp(`variable "${name}"[^}]*?default\\s+= (\\d+)`).exec(plan)?.[1]);
    const perMachine = Number(/per_machine\s+= optional\(number, (\d+)\)/.exec(plan)?.[1]);
    expect(page).toContain(
      `It carries ${perMachine} x ${default_('sessions_per_core')} = ${perMachine * default_('sessions_per_core')} sessions on its cores and ${default_('sessions_per_pop')} on its POP.`,
    );
    expect(table[0]![1]).toContain(`(${perMachine} x ${default_('sessions_per_core')} x 60)`);
    expect(table[1]![1]).toContain(`(${default_('sessions_per_pop')} x 60)`);
    const neverPausing = Number(/the same, streams that never pause \| (\d+)/.exec(benchmarks)?.[1]);
    expect(default_('sessions_per_core')).toBeLessThanOrEqual(neverPausing);
  });

  test('takes the services at the catalogue’s prices', () => {
    const cents = (kind: string, id: string) =>
      allEndpoints(loadCatalogue(), DEFAULT_POLICY)
        .find((each) => each.kind === kind && each.id === id)
        ?.centsPerMinute?.toFixed(2);
    expect(table[5]![1]).toBe(
      `(${cents('stt', 'deepgram@global')} + ${cents('llm', 'openai@global')} + ${cents('tts', 'deepgram@global')}) x 10`,
    );
  });
});
