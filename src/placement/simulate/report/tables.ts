/** The report's tables: countries, regions, money and refusals. */
import { RULE_WORDS } from '../rule.ts';
import type { SimulationResult } from '../simulation-result.ts';
import { scaleOf, strip } from './charts.ts';
import { at, count, escaped, milliseconds, percent } from './markup.ts';

export function countryTable({ rules }: SimulationResult): string {
  const [ours, ...others] = rules;
  const scale = scaleOf(ours!.byCountry.map(({ latencyMs }) => latencyMs));
  const rows = ours!.byCountry
    .map((country, index) => ({ country, index }))
    .toSorted((a, b) => b.country.placed + b.country.refused - a.country.placed - a.country.refused)
    .map(({ country, index }) => {
      const elsewhere = others.map((rule) => rule.byCountry[index]!.latencyMs.p50);
      const { p50, p95 } = country.latencyMs;
      const marks = others.map((rule, at) => [rule.rule, elsewhere[at]!] as const);
      const differences = elsewhere.map((ms) => difference(p50, ms));
      const runs = country.regions
        .slice(0, 2)
        .map(({ region, sessions }) => `${escaped(region)} ${percent(sessions / country.placed)}`);
      return `<tr><th scope="row">${escaped(country.name)}</th><td>${count(country.placed)}</td><td>${refusedCell(country.refused)}</td><td><strong>${milliseconds(p50)}</strong></td><td>${milliseconds(p95)}</td><td class="strip">${strip('antipode', country.latencyMs, scale, marks)}</td>${differences.join('')}<td class="words">${runs.join(', ') || '–'}</td></tr>`;
    });
  const heads = others.map(({ rule }) => `<th scope="col">${escaped(RULE_WORDS[rule].title)}</th>`);
  return `<div class="table"><table><thead><tr><th scope="col">Callers in</th><th scope="col">sessions</th><th scope="col">refused</th><th scope="col">p50 ms</th><th scope="col">p95 ms</th><th scope="col">${milliseconds(scale.from)} to ${milliseconds(scale.to)} ms</th>${heads.join('')}<th scope="col" class="words">runs in</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function difference(own: number | null, other: number | null): string {
  if (own === null || other === null) return '<td>–</td>';
  const ms = Math.round(other - own);
  return `<td class="${ms > 4 ? 'better' : ms < -4 ? 'worse' : ''}">${ms > 0 ? '+' : ms < 0 ? '−' : ''}${count(Math.abs(ms))}</td>`;
}

function refusedCell(refused: number): string {
  return refused === 0 ? '0' : `<span class="alarm">${count(refused)}</span>`;
}

export function regionTable({ rules, lost, places }: SimulationResult): string {
  const [ours, ...others] = rules;
  const cities = new Map(places.map(({ region, city }) => [region, city]));
  const most = Math.max(1, ...ours!.byRegion.map(({ capacity }) => capacity));
  const rows = ours!.byRegion
    .map((region, index) => ({ region, index }))
    .toSorted((a, b) => b.region.peak - a.region.peak)
    .map(({ region: { region, peak, peakAfterLoss, capacity }, index }) => {
      const isLost = region === lost?.region;
      const after =
        peakAfterLoss === null ? '' : `<td>${isLost ? '<span class="alarm">lost</span>' : count(peakAfterLoss)}</td>`;
      const elsewhere = others.map((rule) => `<td>${count(rule.byRegion[index]!.peak)}</td>`);
      const bar = capacityBar(
        peak / most,
        isLost ? null : peakAfterLoss === null ? null : peakAfterLoss / most,
        capacity / most,
      );
      return `<tr><th scope="row">${escaped(cities.get(region) ?? region)} <span class="soft">${escaped(region)}</span></th><td><strong>${count(peak)}</strong></td>${after}<td>${count(capacity)}</td><td>${percent(capacity === 0 ? 0 : peak / capacity)}</td><td class="strip">${bar}</td>${elsewhere.join('')}</tr>`;
    });
  const afterHead = lost === null ? '' : '<th scope="col">peak after the loss</th>';
  const heads = others.map(({ rule }) => `<th scope="col">peak, ${escaped(RULE_WORDS[rule].title.toLowerCase())}</th>`);
  return `<div class="table"><table><thead><tr><th scope="col">Cores in</th><th scope="col">peak sessions</th>${afterHead}<th scope="col">capacity</th><th scope="col">used</th><th scope="col">of the largest</th>${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** Capacity as a frame, the peak in it, the peak after a loss as a stroke. Shares of the largest capacity. */
function capacityBar(peak: number, after: number | null, capacity: number): string {
  const stroke = after === null ? '' : `<rect x="${at(after * 994)}" y="2" width="6" height="20" fill="var(--bad)"/>`;
  return `<svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img" aria-label="${percent(peak)} of the largest region"><rect x="1" y="5" width="${at(Math.max(2, capacity * 998))}" height="14" fill="none" stroke="var(--line)" stroke-width="2"/><rect x="1" y="5" width="${at(peak * 998)}" height="14" fill="var(--antipode)" fill-opacity=".7"/>${stroke}</svg>`;
}

export function ruleTable({ rules, lost }: SimulationResult): string {
  const rows = rules.map(({ rule, placed, refused, refusals, centsPerMinute, dollars, afterLoss }) => {
    const why = Object.entries(refusals).map(([code, sessions]) => `${escaped(code)} ${count(sessions)}`);
    const loss =
      lost === null
        ? ''
        : `<td>${afterLoss === null ? '–' : count(afterLoss.moved)}</td><td>${afterLoss === null ? '–' : refusedCell(afterLoss.ended)}</td><td>${afterLoss === null ? '–' : refusedCell(afterLoss.refused)}</td><td>${milliseconds(afterLoss?.latencyMs.p50 ?? null)}</td>`;
    return `<tr><th scope="row">${escaped(RULE_WORDS[rule].title)}</th><td>${count(placed)}</td><td>${refusedCell(refused)}</td><td>${centsPerMinute === null ? '–' : centsPerMinute.toFixed(2)}</td><td>${dollars === null ? '–' : count(Math.round(dollars))}</td>${loss}<td class="words">${why.join(', ') || '–'}</td></tr>`;
  });
  const heads =
    lost === null
      ? ''
      : '<th scope="col">moved</th><th scope="col">ended</th><th scope="col">refused with the loss</th><th scope="col">p50 ms with the loss</th>';
  return `<div class="table"><table><thead><tr><th scope="col">Rule</th><th scope="col">placed</th><th scope="col">refused</th><th scope="col">cents a minute</th><th scope="col">dollars that day</th>${heads}<th scope="col" class="words">why refused</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}
