/** The Grafana dashboard and the alerts ask for metrics that exist, with labels that they have, in a way that fits them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ERROR_CODES } from '../../src/errors.ts';
import { type KnownMetric, metricsInUse, ROOT } from './metrics-in-use.ts';

interface Panel {
  type: string;
  title: string;
  description?: string;
  targets?: { expr: string; legendFormat: string }[];
}

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; do: string };
}

const panels: Panel[] = JSON.parse(readFileSync(join(ROOT, 'infra/grafana/antipode.json'), 'utf8')).panels;
const groups: { name: string; rules: Rule[] }[] = parse(
  readFileSync(join(ROOT, 'infra/prometheus/alerts.yaml'), 'utf8'),
).groups;
const rules = groups.flatMap((group) => group.rules);
const known = metricsInUse();
/** Prometheus puts them there. */
const OF_SCRAPES = ['instance', 'job'];

/** What is wrong with an expression; none when it can give figures. */
function faultsOf(expr: string): string[] {
  const faults: string[] = [];
  const brackets = expr.replace(/[^()[\]{}]/g, '');
  if (unpaired(brackets)) faults.push('has brackets that do not pair');
  const inIt: KnownMetric[] = [];
  for (const [, fn, name, selector = ''] of expr.matchAll(/(?:(\w+)\()?\b(antipode_\w+)(?:\{([^}]*)\})?/g)) {
    const base = name!.replace(/_(bucket|sum|count)$/, '');
    const histogram = known.get(base)?.type === 'histogram' ? known.get(base) : undefined;
    const metric = known.get(name!) ?? histogram;
    if (metric === undefined) {
      faults.push(`${name} is no metric of ours`);
      continue;
    }
    inIt.push(metric);
    if (metric.type === 'histogram' && name === base) faults.push(`${name} is a histogram and has no value of its own`);
    const grows = metric.type !== 'gauge';
    const isRate = fn === 'rate' || fn === 'increase';
    if (grows !== isRate) faults.push(`${name} is a ${metric.type}, and stands in ${fn ?? 'no function'}`);
    const asked = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!);
    for (const label of asked) {
      if (![...metric.labels, ...OF_SCRAPES].includes(label)) faults.push(`${name} has no label ${label}`);
    }
  }
  if (inIt.length + faults.length === 0) faults.push('names no metric of ours');
  for (const label of groupedBy(expr)) {
    const has = inIt.some(({ type, labels }) => labels.includes(label) || (label === 'le' && type === 'histogram'));
    if (!has && !OF_SCRAPES.includes(label)) faults.push(`groups by ${label}, which none of its metrics has`);
  }
  for (const [code] of expr.matchAll(/ERR_[A-Z_]+/g))
    if (!(code in ERROR_CODES)) faults.push(`${code} is no code of ours`);
  return faults;
}

function unpaired(brackets: string): boolean {
  let left = brackets;
  for (let before = ''; before !== left; ) {
    before = left;
    left = left.replace(/\(\)|\[\]|\{\}/g, '');
  }
  return left !== '';
}

function groupedBy(expr: string): string[] {
  const lists = [...expr.matchAll(/\bby \(([^)]*)\)/g)].map(([, list]) => list!);
  return [...new Set(lists.flatMap((list) => list.split(',').map((label) => label.trim())))];
}

describe('the dashboard', () => {
  const shown = panels.filter(({ type }) => type !== 'row');

  test('asks for metrics that exist, with labels that they have', () => {
    expect(shown.length).toBeGreaterThan(40);
    const wrong = shown.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr }) => faultsOf(expr).map((fault) => `${title}: ${fault}`)),
    );
    expect(wrong).toEqual([]);
  });

  test('names each line by labels that the line has', () => {
    const wrong = shown.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr, legendFormat }) =>
        [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].flatMap(([, label]) =>
          groupedBy(expr).includes(label!) ? [] : [`${title}: ${label}`],
        ),
      ),
    );
    expect(wrong).toEqual([]);
  });

  test('has a row for each thing that an operator watches', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      ...['Now', 'Calls', 'Turns', 'Calls that outlive their core', 'Reflex at the POP', 'Admission and lateness'],
      ...['Sound', 'Backbone', 'Registry', 'Placement', 'AI services', 'Cost'],
    ]);
  });

  test('stands on a grid without holes or overlaps', () => {
    const taken = new Set<string>();
    for (const { gridPos } of panels as unknown as { gridPos: { x: number; y: number; w: number; h: number } }[]) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`)).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe('the alerts', () => {
  test('ask for metrics that exist, with labels that they have', () => {
    expect(rules.length).toBeGreaterThan(15);
    const wrong = rules.flatMap(({ alert, expr }) => faultsOf(expr).map((fault) => `${alert}: ${fault}`));
    expect(wrong).toEqual([]);
  });

  test('each say what to do, by labels that they have', () => {
    for (const { alert, expr, labels, annotations } of rules) {
      expect(alert).toMatch(/^Antipode[A-Z]/);
      expect(['warning', 'critical']).toContain(labels.severity);
      expect(annotations.do.length, alert).toBeGreaterThan(40);
      for (const [, label] of `${annotations.summary} ${annotations.do}`.matchAll(/\$labels\.(\w+)/g)) {
        expect([alert, groupedBy(expr)]).toEqual([alert, expect.arrayContaining([label])]);
      }
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  test('are all on the page about watching', () => {
    const page = readFileSync(join(ROOT, 'docs/operate.md'), 'utf8');
    expect(page).toContain('infra/prometheus/alerts.yaml');
    expect(page).toContain('infra/grafana/antipode.json');
  });
});

test('an expression that could give no figures is found out', () => {
  expect(faultsOf('sum(rate(antipode_edge_call_total[5m]))')).toEqual([
    'antipode_edge_call_total is no metric of ours',
  ]);
  expect(faultsOf('sum(rate(antipode_turns_total[5m])')).toEqual(['has brackets that do not pair']);
  expect(faultsOf('rate(antipode_edge_calls[5m])')).toEqual(['antipode_edge_calls is a gauge, and stands in rate']);
  expect(faultsOf('sum(antipode_turns_total{reason="x"})')).toEqual([
    'antipode_turns_total is a counter, and stands in sum',
    'antipode_turns_total has no label reason',
  ]);
  expect(faultsOf('sum by (core) (rate(antipode_turns_total[5m]))')).toEqual([
    'groups by core, which none of its metrics has',
  ]);
});
