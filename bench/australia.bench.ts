/**
 * The Australia tradeoff, measured: real calls of a caller in Sydney through a real POP there to real cores in Sydney and
 * in Virginia, with the ways between them as long as placement's data says, for 1, 2 and 4 round trips to the language
 * model a turn, and models in Virginia only or in Sydney too. Beside each the prediction of placement's own plan from the
 * same figures, and whether its policy picks the place that turns out faster. From the caller's last sound to the first
 * packet of the answer, both at the caller.
 */

import { nameOf } from './australia/chart.ts';
import { LEAST_TURNS, measure } from './australia/measure.ts';
import { offPercent, PAGE, winnerOf, writePage } from './australia/page.ts';
import { CORES, ROUNDS, SCENARIOS, SERVICE_MS, SERVICE_SOURCES, SLOWER_MS } from './australia/scenarios.ts';
import { recordScript } from './fake-pop/script.ts';
import { type BenchOptions, result } from './result.ts';

export const page = PAGE;

/** Longer than the slowest answer takes to begin and to be said. */
const SILENCE_MS = 4_483;

export async function run({ calls = 2, seconds = 60, write = false, progress, signal }: BenchOptions) {
  const script = await recordScript([{ say: 'what-time' }, { silenceMs: SILENCE_MS }]);
  const measured = [];
  for (const scenario of SCENARIOS) {
    progress(`${scenario.title}: ${calls} calls for each core and k, for ${seconds} s`);
    measured.push(await measure({ scenario, calls, seconds, script, signal }));
  }
  const rows = measured.flatMap((each) => each.rows);
  const figures: Record<string, number | null> = {};
  let wrongPlaces = 0;
  for (const each of measured) {
    for (const k of ROUNDS) {
      if (winnerOf(each, k)?.core !== each.chosen.get(k)) wrongPlaces += 1;
      for (const core of CORES) {
        const row = each.rows.find((one) => one.k === k && one.core === core)!;
        const name = `${each.scenario.key}K${k}${nameOf(core)}`;
        figures[`${name}Ms`] = row.p50Ms;
        figures[`${name}PredictedMs`] = row.predictedMs;
        figures[`${name}OffPercent`] = offPercent(row);
      }
    }
  }
  const off = rows.map(offPercent);
  const notices = measured.flatMap((each) => each.notices);
  const answer = result(
    'australia',
    'Where is a caller in Sydney answered sooner, and does placement know, and by how much?',
    {
      ...figures,
      worstOffPercent: off.some((each) => each === null) ? null : Math.max(...off.map((each) => Math.abs(each!))),
      wrongPlaces,
      unanswered: rows.reduce((sum, row) => sum + row.unanswered, 0),
      endedCalls: measured.reduce((sum, each) => sum + each.endedCalls, 0),
      mediansOfFewTurns: rows.filter(({ turns }) => turns < LEAST_TURNS).length,
      stalledTurns: rows.reduce((sum, row) => sum + row.stalled, 0),
    },
    { worstOffPercent: 10, wrongPlaces: 0, unanswered: 0, endedCalls: 0, mediansOfFewTurns: 0 },
    [
      `Services take fixed times: ${SERVICE_MS.stt} ms to the words, ${SERVICE_MS.llm} to a first token, ${SERVICE_MS.tts} to a first sound, by`,
      ...SERVICE_SOURCES,
      `The slower open weights take ${SLOWER_MS} ms more to a first token. Each way takes half of the matrix's median.`,
      `${Math.min(...rows.map(({ turns }) => turns))} to ${Math.max(...rows.map(({ turns }) => turns))} turns for each figure. Turns in which the machine stalled are in none.`,
      ...(notices.length === 0 ? [] : [`${notices.length} notices, such as: ${notices[0]}`]),
    ],
  );
  if (write) {
    const command = 'npm run -s bench -- australia --write';
    await writePage(measured, { command, machine: answer.machine, date: new Date() });
  }
  return answer;
}
