/** Results as JSON: all that was said, done and measured; without the sound. */
import { type ConfigResult, hasPassed } from './results.ts';

export function jsonReport(configs: readonly ConfigResult[]): Record<string, unknown> {
  return {
    passed: hasPassed(configs),
    configs: configs.map(({ config, results }) => ({
      config,
      evals: results.map(({ eval: each, passed, latency, checks, runs }) => ({
        ...{ file: each.file, name: each.name, agent: each.agent, mode: each.mode, passShare: each.passShare },
        ...{ passed, latency: rounded(latency), checks },
        runs: runs.map(({ passed: ok, checks: found, record }) => ({
          ...{ passed: ok, failure: record.failure, endedBy: record.endedBy },
          durationMs: tenths(record.durationMs),
          callerLateMs: tenths(record.callerLateMs),
          turns: record.turns.map(({ said, atMs, endMs, latencyMs, silentAfterMs }) => ({
            ...{
              said,
              atMs: tenths(atMs),
              endMs: tenths(endMs),
              latencyMs: tenths(latencyMs),
              silentAfterMs: tenths(silentAfterMs),
            },
          })),
          transcript: record.lines.map(({ role, turn, text, atMs, endMs, interrupted }) => ({
            ...{ role, turn, text, atMs: tenths(atMs), endMs: tenths(endMs), interrupted },
          })),
          tools: record.tools.map((tool) => ({ ...tool, atMs: tenths(tool.atMs), tookMs: tenths(tool.tookMs) })),
          notices: record.notices.map((notice) => ({ ...notice, atMs: tenths(notice.atMs) })),
          checks: found,
        })),
      })),
    })),
  };
}

function rounded({ p50Ms, p95Ms }: { p50Ms: number | null; p95Ms: number | null }) {
  return { p50Ms: tenths(p50Ms), p95Ms: tenths(p95Ms) };
}

function tenths(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10) / 10;
}
