/** Writes what was measured into docs/australia.md, between its marks, and draws the chart beside it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chartOf } from './chart.ts';
import type { Measured, MeasuredScenario } from './measure.ts';
import { CORES, ROUNDS } from './scenarios.ts';

export const PAGE = 'docs/australia.md';
const CHART = 'docs/pictures/australia.svg';
const BEGIN = '<!-- measured: begin -->';
const END = '<!-- measured: end -->';
const ROOT = join(import.meta.dirname, '../..');

export interface Circumstances {
  command: string;
  machine: string;
  date: Date;
}

/** @throws when the page has no marks */
export async function writePage(measured: readonly MeasuredScenario[], about: Circumstances): Promise<void> {
  const file = join(ROOT, PAGE);
  const page = withTable(await readFile(file, 'utf8'), tableOf(measured, about));
  await writeFile(join(ROOT, CHART), chartOf(measured));
  await writeFile(file, page);
}

export function withTable(page: string, table: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no "${BEGIN}" and "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n${table}\n${page.slice(end)}`;
}

/** For each scenario and k both cores; bold is the place that was measured to be faster, a star what the policy picks. */
export function tableOf(measured: readonly MeasuredScenario[], { command, machine, date }: Circumstances): string {
  const lines = [
    '| models | k | core in Sydney: predicted, measured | off | core in Virginia: predicted, measured | off |',
    '|---|---|---|---|---|---|',
  ];
  for (const each of measured) {
    for (const k of ROUNDS) {
      const winner = winnerOf(each, k);
      const cells = CORES.flatMap((core) => {
        const row = each.rows.find((one) => one.k === k && one.core === core)!;
        const was = row.p50Ms === null ? 'none' : `${Math.round(row.p50Ms)} ms`;
        const star = each.chosen.get(k) === core ? ' \\*' : '';
        return [
          `${Math.round(row.predictedMs)}, ${core === winner?.core ? `**${was}**` : was}${star}`,
          offInWords(row),
        ];
      });
      lines.push(`| ${each.scenario.title} | ${k} | ${cells.join(' | ')} |`);
    }
  }
  const turns = measured.flatMap(({ rows }) => rows.map((row) => row.turns));
  return [
    ...lines,
    '',
    `Medians over ${Math.min(...turns)} to ${Math.max(...turns)} turns each; bold: the faster place as measured; \\*: where the policy`,
    `runs the call. \`${command}\`, ${date.toISOString().slice(0, 10)}, ${machine}.`,
    '',
  ].join('\n');
}

/** The faster of both, as measured; null when one of them was not. */
export function winnerOf({ rows }: MeasuredScenario, k: number): Measured | null {
  const both = rows.filter((row) => row.k === k && row.p50Ms !== null);
  if (both.length < CORES.length) return null;
  return both.reduce((best, row) => (row.p50Ms! < best.p50Ms! ? row : best));
}

/** How far the prediction is from what was measured, percent of that; null where nothing was. */
export function offPercent({ p50Ms, predictedMs }: Measured): number | null {
  return p50Ms === null ? null : (100 * (predictedMs - p50Ms)) / p50Ms;
}

function offInWords(row: Measured): string {
  const off = offPercent(row);
  if (off === null) return '-';
  const shown = Math.abs(off).toFixed(1);
  return `${off < 0 && Number(shown) > 0 ? '-' : '+'}${shown} %`;
}
