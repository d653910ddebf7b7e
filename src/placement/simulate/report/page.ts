/** The report as one HTML file that needs nothing else: no script, no font, no address. Owns its order and its words. */
import { RULE_WORDS } from '../rule.ts';
import type { SimulationResult } from '../simulation-result.ts';
import { dayChart, rulesChart } from './charts.ts';
import { clockTime, count, escaped, milliseconds } from './markup.ts';
import { STYLE } from './style.ts';
import { countryTable, regionTable, ruleTable } from './tables.ts';
import { worldMap } from './world-map.ts';

export function reportPage(result: SimulationResult): string {
  const { sessions, seed, world, meanMinutes, lost, assumptions } = result;
  const others = result.rules
    .slice(1)
    .map(
      ({ rule }) =>
        `<li><i class="square" style="background:var(--${rule})"></i>${escaped(RULE_WORDS[rule].title)}, p50</li>`,
    );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Placement, simulated: ${escaped(world)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(headline(result))}</h1>
<p class="soft">${count(sessions)} sessions of one day, ${meanMinutes} minutes each in the mean, in ${escaped(world)}. Seed ${seed}: the same seed gives the same figures.</p>

<h2>How long callers wait</h2>
<p>From the end of a caller’s words to the first sound of the answer: the bar goes from the median (p50) to p95.</p>
${rulesChart(result)}

<h2>Where sessions run</h2>
${worldMap(result)}

<h2>Over the day</h2>
${dayChart(result)}

<h2>Capacity by region</h2>
<p>${escaped(lossWords(result))}</p>
${regionTable(result)}
<p class="soft" style="margin-top:.6rem">Frame: capacity. Filled: the peak of Antipode’s sessions.${lost === null ? '' : ` Red: its peak after ${escaped(lost.region)} is lost.`}</p>

<h2>Refusals and cost</h2>
${ruleTable(result)}

<h2>By country</h2>
<p>The last columns say how much longer (+) or shorter (−) the median turn is under the other rules, in milliseconds.</p>
<ul class="legend"><li><i class="square" style="background:var(--antipode)"></i>Antipode, p50 to p95</li>${others.join('')}</ul>
${countryTable(result)}

<h2>What was assumed</h2>
<ul class="assumed">${assumptions.map((sentence) => `<li>${escaped(sentence)}</li>`).join('')}</ul>
</main>
</body>
</html>
`;
}

function headline({ rules, sessions }: SimulationResult): string {
  const ours = rules[0]!.latencyMs.p50;
  const nearest = rules.find(({ rule }) => rule === 'nearest')?.latencyMs.p50 ?? null;
  if (ours === null) return `None of ${count(sessions)} sessions found a place`;
  if (nearest === null) return `The median turn takes ${milliseconds(ours)} ms`;
  const gain = Math.round(nearest - ours);
  const words = gain === 0 ? 'as with' : `${milliseconds(Math.abs(gain))} ms ${gain > 0 ? 'less' : 'more'} than with`;
  return `The median turn takes ${milliseconds(ours)} ms, ${words} the nearest POP and core`;
}

function lossWords({ lost, rules }: SimulationResult): string {
  const ours = rules[0]!.afterLoss;
  if (lost === null || ours === null) return 'The most sessions at a time on the cores of each region.';
  const { moved, ended, refused } = ours;
  return (
    `The most sessions at a time on the cores of each region; and again, when ${lost.region} is lost at ${clockTime(lost.minute)} UTC and stays away: ` +
    `${count(moved)} running sessions moved, ${count(ended)} ended for want of a place, ${count(refused)} were refused that day.`
  );
}
