/** The report's looks: one style sheet, light and dark, from a phone's width up. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1c2429; --soft: #56636d; --line: #dfdcd3; --sea: #eef2f3; --grid: #d5dcdf;
  --antipode: #0b7a75; --nearest: #b4690e; --nearest-inference: #7450a8; --map-distance: #5d6b7a; --bad: #b3261e;
  --step-1: #23897d; --step-2: #74a34f; --step-3: #c99a1f; --step-4: #d9722e; --step-5: #c0392f;
  --area-1: #0b7a75; --area-2: #b4690e; --area-3: #7450a8; --area-4: #2f6fb3; --area-5: #a23b6a; --area-6: #6a7d1f; --area-7: #8a8f94;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #11161a; --card: #181f25; --ink: #e7ecef; --soft: #9fb0bb; --line: #2c363e; --sea: #151c22; --grid: #27323a;
    --antipode: #3ecbbd; --nearest: #e3a657; --nearest-inference: #b69be8; --map-distance: #93a4b4; --bad: #ff8a80;
    --step-1: #35b8a6; --step-2: #93c96b; --step-3: #ecc14f; --step-4: #f2955a; --step-5: #f0685e;
    --area-1: #3ecbbd; --area-2: #e3a657; --area-3: #b69be8; --area-4: #6fb0f2; --area-5: #e283ad; --area-6: #b3c65a; --area-7: #7d8a94;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 400 1rem/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; }
h1 { font-size: clamp(1.5rem, 4.5vw, 2.25rem); line-height: 1.15; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.25rem; margin: 3rem 0 .35rem; }
p { margin: 0 0 .9rem; max-width: 44rem; }
.soft, figcaption, .legend { color: var(--soft); }
.lead { font-size: 1.1rem; }
figure { margin: 1rem 0 0; }
figcaption { font-size: .875rem; margin-top: .5rem; max-width: 48rem; }
svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .875rem; padding: 0; margin: .6rem 0 0; list-style: none; }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 50%; vertical-align: -.05em; }
.legend i.square { border-radius: 2px; }
.legend i.diamond { border-radius: 1px; transform: rotate(45deg) scale(.85); }
.map { border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; background: var(--sea); }
.map text { font: 600 11px system-ui, sans-serif; fill: var(--ink); paint-order: stroke; stroke: var(--sea); stroke-width: 3px; }
.map text.degrees { font-weight: 400; fill: var(--soft); font-size: 9px; }
.rules { display: grid; gap: .9rem; margin-top: 1rem; }
.rule { display: grid; grid-template-columns: minmax(9rem, 15rem) 1fr 9.5rem; gap: .25rem 1rem; align-items: center; }
.rule small { display: block; color: var(--soft); line-height: 1.35; }
.rule svg { height: 1.6rem; }
.rule .figures, td, th { font-variant-numeric: tabular-nums; }
.rule .figures { text-align: right; white-space: nowrap; }
.rule.own strong { color: var(--antipode); }
.scale { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; margin: .3rem 10.5rem 0 calc(min(15rem, 22vw) + 1rem); }
.table { overflow-x: auto; margin-top: 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .4rem .75rem; text-align: right; border-top: 1px solid var(--line); white-space: nowrap; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; line-height: 1.25; }
th:first-child, th.words, td.words { text-align: left; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--card); }
td.strip { min-width: 9rem; padding-block: 0; }
td.strip svg { height: 1.4rem; }
td.better { color: var(--antipode); }
td.worse { color: var(--bad); }
.day text { font: 400 12px system-ui, sans-serif; fill: var(--soft); }
.assumed li { margin-bottom: .45rem; max-width: 48rem; }
.alarm { color: var(--bad); font-weight: 600; }
@media (max-width: 640px) {
  .rule { grid-template-columns: 1fr auto; }
  .rule svg { grid-row: 2; grid-column: 1 / -1; }
  .scale { margin: .3rem 0 0; }
  .map { overflow-x: auto; }
  .map svg { min-width: 44rem; }
  .map text { font-size: 16px; }
  .map text.degrees { font-size: 14px; }
  .day text { font-size: 24px; }
  th, td { padding-inline: .55rem; }
}
@media print { .map, .table { break-inside: avoid; } }
`;
