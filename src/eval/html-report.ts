/**
 * Results as one page that needs nothing beside it: for each run the conversation, its time line, what was expected, and
 * the sound of spoken calls. Everything that was said is text to it, never markup.
 */
import { buildWav } from '../agent/index.ts';
import type { CallRecord } from './eval-call.ts';
import { type ConfigResult, type EvalResult, hasPassed, latenessOf, passesOf, type RunResult } from './results.ts';
import { comparisonLines, summaryLine } from './table.ts';

const SOUND_RATE = 16_000;
const TIME_LINE_WIDTH = 960;

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
details { border: 1px solid #d5dae2; border-radius: 6px; margin: .6rem 0; padding: .5rem .9rem; }
summary { cursor: pointer; } .failed { color: #b3261e; } .passed { color: #1b6e3c; } .quiet { color: #5c6675; }
td, th { text-align: left; vertical-align: top; padding: .15rem .9rem .15rem 0; } pre { overflow-x: auto; }
.agent { background: #eaf1fb; } .caller { background: #f3efe4; } .agent, .caller { padding: .1rem .5rem; border-radius: 4px; }
audio { width: 100%; } svg { width: 100%; height: auto; } a { color: inherit; } svg a { cursor: pointer; }
@media (prefers-color-scheme: dark) { body { background: #14181f; color: #e2e6ec; } details { border-color: #353d49; }
.agent { background: #1d2c42; } .caller { background: #36301f; } .failed { color: #ff8a80; } .passed { color: #7fd39f; } .quiet { color: #97a1b0; } }`;

/** A click on a line plays the sound from there. */
const SCRIPT = `document.addEventListener('click', (event) => {
  const at = event.target.closest('[data-at]');
  const audio = at && at.closest('details').querySelector('audio');
  if (!audio) return;
  event.preventDefault();
  audio.currentTime = Number(at.dataset.at) / 1000;
  audio.play();
});`;

/** @param at when it was made, for people */
export function htmlReport(configs: readonly ConfigResult[], at: Date): string {
  const verdict = hasPassed(configs) ? 'passed' : 'failed';
  const comparison =
    configs.length < 2
      ? ''
      : `<pre>${escaped(comparisonLines(configs, { width: null, colors: false }).join('\n'))}</pre>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evals: ${verdict}</title><style>${STYLE}</style></head><body>
<h1>Evals: <span class="${verdict}">${escaped(summaryLine(configs))}</span></h1>
<p class="quiet">${escaped(at.toISOString())}</p>
${comparison}
${configs.map((config) => configHtml(config, configs.length > 1)).join('\n')}
<script>${SCRIPT}</script></body></html>
`;
}

function configHtml({ config, results }: ConfigResult, named: boolean): string {
  return `${named ? `<h2>${escaped(config)}</h2>` : ''}${results.map(evalHtml).join('\n')}`;
}

function evalHtml(result: EvalResult): string {
  const { eval: each, passed, latency, runs } = result;
  const figures = [latency.p50Ms, latency.p95Ms].map((value) => (value === null ? '-' : value.toFixed(0))).join(' / ');
  const head = `${each.agent}, ${each.mode}, ${passesOf(result)} of ${runs.length} runs passed, latency p50 / p95 ${figures} ms`;
  return `<h2><span class="${passed ? 'passed' : 'failed'}">${passed ? 'passed' : 'failed'}</span> ${escaped(each.name)}</h2>
<p class="quiet">${escaped(each.file)}: ${escaped(head)}</p>
${checksHtml(result.checks)}
${runs.map((run, index) => runHtml(run, index, runs.length === 1)).join('\n')}`;
}

function runHtml(run: RunResult, index: number, open: boolean): string {
  const { record, passed } = run;
  const title = `run ${index + 1}, ${(record.durationMs / 1_000).toFixed(1)} s, ended by ${record.endedBy ?? 'a failure'}`;
  const late = latenessOf(record).map((words) => `<p class="failed">${escaped(words)}</p>`);
  const failure = record.failure
    ? `<p class="failed">${escaped(`${record.failure.code}: ${record.failure.message}`)}</p>`
    : '';
  return `<details${open || !passed ? ' open' : ''}>
<summary><span class="${passed ? 'passed' : 'failed'}">${passed ? 'passed' : 'failed'}</span> ${escaped(title)}</summary>
${failure}${late.join('')}${audioHtml(record)}${timeLine(record)}${conversationHtml(record)}${checksHtml(run.checks)}</details>`;
}

function audioHtml({ audio }: CallRecord): string {
  if (audio === null) return '';
  const wav = buildWav({ pcm: audio, sampleRate: SOUND_RATE }).toString('base64');
  return `<audio controls preload="metadata" src="data:audio/wav;base64,${wav}"></audio>`;
}

/** Two rows, who spoke when; tools are marks between them. */
function timeLine({ lines, tools, turns, durationMs, audio }: CallRecord): string {
  if (audio === null || durationMs <= 0) return '';
  const x = (ms: number) => (Math.max(0, ms) / durationMs) * TIME_LINE_WIDTH;
  const bars = [
    // What the caller said; the line of it comes only when it is understood.
    ...turns.map(({ said, atMs, endMs }) => ({ atMs, endMs, y: 4, fill: '#c9a227', title: `caller: ${said}` })),
    ...lines
      .filter(({ role }) => role === 'agent')
      .map(({ text, atMs, endMs }) => ({ atMs, endMs, y: 34, fill: '#3a76c4', title: `agent: ${text}` })),
  ].map(({ atMs, endMs, y, fill, title }) => {
    const width = Math.max(3, x(endMs) - x(atMs)).toFixed(1);
    const box = `x="${x(atMs).toFixed(1)}" y="${y}" width="${width}" height="18" rx="3" fill="${fill}"`;
    return `<a data-at="${atMs.toFixed(0)}"><rect ${box}><title>${escaped(title)}</title></rect></a>`;
  });
  const marks = tools.map(({ name, atMs }) => {
    const circle = `<circle cx="${x(atMs).toFixed(1)}" cy="28" r="4" fill="#7a4fb5">`;
    return `${circle}<title>${escaped(name)}</title></circle>`;
  });
  const view = `viewBox="0 0 ${TIME_LINE_WIDTH} 56" role="img" aria-label="who spoke when"`;
  return `<svg ${view}>${bars.join('')}${marks.join('')}</svg>`;
}

function conversationHtml({ lines, tools, notices, turns }: CallRecord): string {
  const rows = [
    ...lines.map(({ role, text, atMs: toldAtMs, turn, interrupted }) => {
      const record = role === 'caller' ? turns[turn - 1] : undefined;
      const atMs = record?.atMs ?? toldAtMs;
      const meant = record && bare(record.said) !== bare(text) ? quiet(`said: ${record.said}`) : '';
      const cut = interrupted ? quiet('interrupted') : '';
      return { atMs, html: `<td class="${role}">${escaped(text)}${meant}${cut}</td>`, who: role };
    }),
    ...turns.flatMap(({ said, atMs }, index) => {
      if (lines.some(({ role, turn }) => role === 'caller' && turn === index + 1)) return [];
      return [
        { atMs, html: `<td class="caller">${quiet(`said: ${said}; nothing was understood`)}</td>`, who: 'caller' },
      ];
    }),
    ...tools.map(({ name, arguments: given, outcome, atMs }) => {
      const call = `${name}${given === undefined ? '' : ` ${JSON.stringify(given)}`}: ${outcome}`;
      return { atMs, html: `<td class="quiet">${escaped(call)}</td>`, who: 'tool' };
    }),
    ...notices.map(({ level, code, text, atMs }) => {
      const tone = level === 'info' ? 'quiet' : 'failed';
      return { atMs, html: `<td class="${tone}">${escaped(`${code}: ${text}`)}</td>`, who: level };
    }),
  ].sort((one, other) => one.atMs - other.atMs);
  const body = rows.map(({ atMs, html, who }) => {
    const time = `<a href="#" data-at="${atMs.toFixed(0)}">${(atMs / 1_000).toFixed(1)} s</a>`;
    return `<tr><td class="quiet">${time}</td><td>${who}</td>${html}</tr>`;
  });
  const latencies = turns.map(({ latencyMs }) => (latencyMs === null ? '-' : `${latencyMs.toFixed(0)} ms`));
  const footer = turns.length === 0 ? '' : `<p class="quiet">answers began after ${escaped(latencies.join(', '))}</p>`;
  return `<table>${body.join('')}</table>${footer}`;
}

function checksHtml(checks: RunResult['checks']): string {
  if (checks.length === 0) return '';
  const rows = checks.map(({ path, expected, problem }) => {
    const verdict = problem === null ? '<td class="passed">yes</td>' : `<td class="failed">${escaped(problem)}</td>`;
    return `<tr><td class="quiet">${escaped(path)}</td><td>${escaped(expected)}</td>${verdict}</tr>`;
  });
  return `<table><tr><th></th><th>expected</th><th></th></tr>${rows.join('')}</table>`;
}

/** Words without what cannot be heard of them. */
function bare(text: string): string {
  return (text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []).join(' ');
}

function quiet(text: string): string {
  return ` <span class="quiet">(${escaped(text)})</span>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
