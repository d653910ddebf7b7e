/** The chart of docs/australia.md: a panel a scenario, a pair of bars a k, a mark where the prediction is. Pure. */
import type { Measured, MeasuredScenario } from './measure.ts';
import { CORES, type Place, ROUNDS, SYDNEY } from './scenarios.ts';

const WIDTH = 760;
const HEIGHT = 320;
const TOP = 62;
const BOTTOM = 256;
const LEFT = 52;
const PANEL_GAP = 22;
const BAR = 26;
const STEP_MS = 500;

const STYLE =
  '.bg{fill:#fff}.ink{fill:#1f2933}.dim{fill:#616e7c}.grid{stroke:#d9e2ec;stroke-width:1}.sydney{fill:#3e7cb1}' +
  '.virginia{fill:#de911d}.mark{stroke:#1f2933;stroke-width:2}@media (prefers-color-scheme: dark){.bg{fill:#14181d}' +
  '.ink{fill:#e4e7eb}.dim{fill:#9aa5b1}.grid{stroke:#323f4b}.sydney{fill:#5b9bd0}.virginia{fill:#f0b429}.mark{stroke:#e4e7eb}}';

export function chartOf(measured: readonly MeasuredScenario[]): string {
  const rows = measured.flatMap(({ rows: each }) => each);
  const most = Math.max(STEP_MS, ...rows.flatMap(({ p50Ms, predictedMs }) => [p50Ms ?? 0, predictedMs]));
  const topMs = Math.ceil((most * 1.04) / STEP_MS) * STEP_MS;
  const y = (ms: number) => BOTTOM - ((BOTTOM - TOP) * ms) / topMs;
  const panel = (WIDTH - LEFT - 14 - (measured.length - 1) * PANEL_GAP) / measured.length;
  const lines: string[] = [];
  for (let ms = 0; ms <= topMs; ms += STEP_MS) {
    lines.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - 14}" y1="${fixed(y(ms))}" y2="${fixed(y(ms))}"/>`);
    lines.push(text(LEFT - 6, y(ms) + 4, ms === 0 ? '0 ms' : String(ms), 'dim', 'end'));
  }
  for (const [index, { scenario, rows: all }] of measured.entries()) {
    const x = LEFT + index * (panel + PANEL_GAP);
    for (const [line, words] of linesOf(scenario.title).entries()) {
      lines.push(text(x + panel / 2, BOTTOM + 36 + line * 15, words, 'ink'));
    }
    for (const [place, k] of ROUNDS.entries()) {
      const middle = x + (panel * (place + 0.5)) / ROUNDS.length;
      lines.push(text(middle, BOTTOM + 16, `k = ${k}`, 'dim'));
      for (const core of CORES) {
        const row = all.find((each) => each.k === k && each.core === core);
        if (row !== undefined) lines.push(...bar(row, core === SYDNEY ? middle - BAR - 1 : middle + 1, y));
      }
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12">`,
    '<title id="t">Voice to voice of a caller in Sydney, by where the agent runs</title>',
    `<desc id="d">${rows.map(inWords).join(' ')}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="bg" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="ink" x="14" y="24" font-size="15" font-weight="600">Voice to voice of a caller in Sydney, by where the agent runs</text>`,
    ...key(),
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

export function nameOf(place: Place): string {
  return place === SYDNEY ? 'Sydney' : 'Virginia';
}

function bar({ core, p50Ms, predictedMs }: Measured, x: number, y: (ms: number) => number): string[] {
  const mark = `<line class="mark" x1="${fixed(x - 2)}" x2="${fixed(x + BAR + 2)}" y1="${fixed(y(predictedMs))}" y2="${fixed(y(predictedMs))}"/>`;
  if (p50Ms === null) return [mark];
  const height = fixed(BOTTOM - y(p50Ms));
  const kind = nameOf(core).toLowerCase();
  return [
    `<rect class="${kind}" x="${fixed(x)}" y="${fixed(y(p50Ms))}" width="${BAR}" height="${height}"/>`,
    mark,
    text(x + BAR / 2, Math.min(y(p50Ms), y(predictedMs)) - 5, String(Math.round(p50Ms)), 'ink'),
  ];
}

function key(): string[] {
  return [
    '<rect class="sydney" x="14" y="36" width="12" height="12"/>',
    text(32, 46, 'core in Sydney, measured', 'dim', 'start'),
    '<rect class="virginia" x="200" y="36" width="12" height="12"/>',
    text(218, 46, 'core in Virginia, measured', 'dim', 'start'),
    '<line class="mark" x1="392" x2="412" y1="42" y2="42"/>',
    text(418, 46, 'what placement predicted', 'dim', 'start'),
  ];
}

function inWords({ core, k, p50Ms, predictedMs }: Measured): string {
  const was = p50Ms === null ? 'not measured' : `${Math.round(p50Ms)} ms`;
  return `k ${k}, ${nameOf(core)}: ${was}, predicted ${Math.round(predictedMs)} ms.`;
}

/** At the comma, where there is one: a panel is narrow. */
function linesOf(title: string): string[] {
  return title.split(/(?<=,) /);
}

function text(x: number, y: number, words: string, kind: 'ink' | 'dim', anchor = 'middle'): string {
  return `<text class="${kind}" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${words}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}
