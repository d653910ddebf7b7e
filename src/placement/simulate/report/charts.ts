/** The report's charts: the rules side by side, and the day by region. Drawn without words where a phone must read them. */
import { RULE_WORDS } from '../rule.ts';
import type { RuleResult, SimulationResult } from '../simulation-result.ts';
import type { Quantiles } from '../tally.ts';
import { at, clockTime, count, escaped, milliseconds } from './markup.ts';

/** The range of milliseconds that all strips share. */
export interface Scale {
  readonly from: number;
  readonly to: number;
}

/** From below the fastest median to above the slowest p95, on round figures. */
export function scaleOf(quantiles: readonly Quantiles[]): Scale {
  const lows = quantiles.flatMap(({ p50 }) => p50 ?? []);
  const highs = quantiles.flatMap(({ p95 }) => p95 ?? []);
  if (lows.length === 0) return { from: 0, to: 1_000 };
  const from = Math.floor((Math.min(...lows) - 100) / 250) * 250;
  return { from: Math.max(0, from), to: Math.ceil((Math.max(...highs) + 50) / 250) * 250 };
}

/** A bar from p50 to p95, with a stroke at p50; the other rules' p50 as thin strokes. */
export function strip(
  rule: RuleResult['rule'],
  own: Quantiles,
  scale: Scale,
  others: readonly (readonly [string, number | null])[] = [],
): string {
  const x = (ms: number) => ((ms - scale.from) / (scale.to - scale.from)) * 1_000;
  if (own.p50 === null || own.p95 === null) return '';
  const strokes = others.map(([name, ms]) =>
    ms === null ? '' : `<rect x="${at(x(ms) - 3)}" y="3" width="6" height="18" fill="var(--${name})"/>`,
  );
  const words = `p50 ${milliseconds(own.p50)} ms, p95 ${milliseconds(own.p95)} ms`;
  return `<svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="${words}"><title>${words}</title><path d="M0 12H1000" stroke="var(--line)" stroke-width="1"/><rect x="${at(x(own.p50))}" y="7" width="${at(Math.max(2, x(own.p95) - x(own.p50)))}" height="10" rx="2" fill="var(--${rule})" fill-opacity=".45"/>${strokes.join('')}<rect x="${at(x(own.p50) - 4)}" y="2" width="8" height="20" rx="1" fill="var(--${rule})"/></svg>`;
}

export function rulesChart({ rules }: SimulationResult): string {
  const scale = scaleOf(rules.map(({ latencyMs }) => latencyMs));
  const rows = rules.map((each, index) => {
    const { title, what } = RULE_WORDS[each.rule];
    const { p50, p95 } = each.latencyMs;
    return `<div class="rule${index === 0 ? ' own' : ''}"><div><strong>${escaped(title)}</strong><small>${escaped(what)}</small></div>${strip(each.rule, each.latencyMs, scale)}<div class="figures"><strong>${milliseconds(p50)}</strong> / ${milliseconds(p95)} ms</div></div>`;
  });
  return `<div class="rules">${rows.join('')}</div><div class="scale"><span>${milliseconds(scale.from)} ms</span><span>${milliseconds(scale.to)} ms</span></div>`;
}

const WIDTH = 1_000;
const HEIGHT = 300;
const BOTTOM = 264;
/** Room for the words above the topmost line. */
const TOP = 30;
/** Regions with a color of their own; the others are one area. */
const AREAS = 6;

/** Sessions by core region over the day, one area on the other. */
export function dayChart({ samples, lost }: SimulationResult): string {
  const regions = Object.entries(samples.byRegion)
    .map(([region, values]) => ({ region, values, sum: values.reduce((total, value) => total + value, 0) }))
    .filter(({ sum }) => sum > 0)
    .toSorted((a, b) => b.sum - a.sum);
  const [length] = regions.map(({ values }) => values.length);
  if (length === undefined) return '<p class="soft">No session ran.</p>';
  const shown = regions.slice(0, AREAS).map(({ region, values }) => ({ region, values }));
  const rest = regions.slice(AREAS);
  if (rest.length > 0) {
    const values = Array.from({ length }, (_, index) => rest.reduce((sum, each) => sum + each.values[index]!, 0));
    shown.push({ region: `${rest.length} others`, values });
  }
  const totals = Array.from({ length }, (_, index) => shown.reduce((sum, each) => sum + each.values[index]!, 0));
  const top = roundUp(Math.max(...totals));
  const x = (index: number) => at((index / (length - 1)) * WIDTH);
  const y = (value: number) => at(BOTTOM - (value / top) * (BOTTOM - TOP));
  const below = new Array<number>(length).fill(0);
  const areas = shown.map(({ region, values }, area) => {
    const lower = below.map((value, index) => `${x(index)} ${y(value)}`).reverse();
    for (const [index, value] of values.entries()) below[index]! += value;
    const upper = below.map((value, index) => `${x(index)} ${y(value)}`);
    return `<path d="M${upper.join('L')}L${lower.join('L')}z" fill="var(--area-${area + 1})" fill-opacity=".8"><title>${escaped(region)}</title></path>`;
  });
  const hours = [0, 6, 12, 18, 24].map((hour) => {
    const anchor = hour === 0 ? 'start' : hour === 24 ? 'end' : 'middle';
    return `<text x="${(hour / 24) * WIDTH}" y="${HEIGHT - 8}" text-anchor="${anchor}">${clockTime(hour * 60)}</text>`;
  });
  const grid = [0.5, 1].map(
    (share) =>
      `<path d="M0 ${y(top * share)}H${WIDTH}" stroke="var(--line)"/><text x="4" y="${Number(y(top * share)) - 4}">${count(top * share)}</text>`,
  );
  const legend = shown.map(
    ({ region }, area) =>
      `<li><i class="square" style="background:var(--area-${area + 1})"></i>${escaped(region)}</li>`,
  );
  const lostLine =
    lost === null
      ? ''
      : ` ${escaped(lost.region)} is lost at ${clockTime(lost.minute)} in the other half of the simulation, not here.`;
  return `<figure class="day"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Sessions by core region over the day">${areas.join('')}${grid.join('')}${hours.join('')}</svg><ul class="legend">${legend.join('')}</ul><figcaption>Sessions at a time, hours in UTC.${lostLine}</figcaption></figure>`;
}

function roundUp(value: number): number {
  const unit = 10 ** Math.max(1, Math.floor(Math.log10(Math.max(1, value))));
  return (Math.ceil((value / unit) * 2) / 2) * unit;
}
