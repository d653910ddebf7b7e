/** What a run of calls amounts to: percentiles over all calls, the JSON shape of `antipode call`, a table for people. */
import type { CallResult } from './call.ts';

/** Nearest-rank percentiles in milliseconds; null when nothing was measured. */
export interface Percentiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface CallSummary {
  /** Calls whose media came up. */
  connected: number;
  /** Calls that ended with an error, connected or not. */
  failed: number;
  connectMs: Percentiles;
  firstAudioMs: Percentiles;
  voiceToVoiceMs: Percentiles;
  bargeInMs: Percentiles;
  /** How late this process fed its microphones: where it exceeds a few milliseconds, the caller measured itself. */
  callerLateMs: Percentiles;
}

export interface CallReport {
  calls: CallResult[];
  summary: CallSummary;
}

/** Nearest-rank percentile of `values`, `share` in 0..1; null of nothing. */
export function percentile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function percentiles(values: (number | null | undefined)[]): Percentiles {
  const measured = values.filter((value) => value !== null && value !== undefined);
  return { p50: percentile(measured, 0.5), p95: percentile(measured, 0.95), p99: percentile(measured, 0.99) };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

function rounded(call: CallResult): CallResult {
  return {
    ...call,
    connectMs: call.connectMs === null ? null : tenths(call.connectMs),
    firstAudioMs: call.firstAudioMs === null ? null : tenths(call.firstAudioMs),
    turns: call.turns.map((turn) => ({
      voiceToVoiceMs: turn.voiceToVoiceMs === null ? null : tenths(turn.voiceToVoiceMs),
      ...(turn.bargeInMs === undefined ? {} : { bargeInMs: tenths(turn.bargeInMs) }),
    })),
  };
}

/** The report of all calls, figures to a tenth of a millisecond. */
export function makeReport(results: readonly CallResult[], callerLateMs: Percentiles): CallReport {
  const calls = results.map(rounded);
  const turns = calls.flatMap((call) => call.turns);
  return {
    calls,
    summary: {
      connected: calls.filter((call) => call.connectMs !== null).length,
      failed: calls.filter((call) => call.error).length,
      connectMs: percentiles(calls.map((call) => call.connectMs)),
      firstAudioMs: percentiles(calls.map((call) => call.firstAudioMs)),
      voiceToVoiceMs: percentiles(turns.map((turn) => turn.voiceToVoiceMs)),
      bargeInMs: percentiles(turns.map((turn) => turn.bargeInMs)),
      callerLateMs,
    },
  };
}

/** Whether every call connected and was answered: what the exit code says. */
export function succeeded(report: CallReport): boolean {
  return report.summary.failed === 0 && report.summary.connected === report.calls.length;
}

function cell(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : value.toFixed(1);
}

/** The report for people. */
export function formatReport(report: CallReport): string {
  const lines: string[] = [];
  for (const [index, call] of report.calls.entries()) {
    lines.push(`call ${index + 1}  ${call.sessionId ?? 'no session'}`);
    lines.push(`  connected ${cell(call.connectMs)} ms   first audio ${cell(call.firstAudioMs)} ms`);
    for (const [number, turn] of call.turns.entries()) {
      const bargeIn = turn.bargeInMs === undefined ? '' : `   barge-in ${cell(turn.bargeInMs)} ms`;
      lines.push(`  turn ${number + 1}  voice to voice ${cell(turn.voiceToVoiceMs)} ms${bargeIn}`);
    }
    for (const { name, pop, heardMs, stayed } of call.company ?? []) {
      lines.push(`  with ${name} by ${pop}: heard ${(heardMs / 1_000).toFixed(1)} s${stayed ? '' : ', left'}`);
    }
    for (const { role, text } of call.transcript) lines.push(`  ${role}: ${text}`);
    if (call.packetsLost > 0 || call.reconnects > 0) {
      lines.push(`  ${call.packetsLost} packets lost, ${call.reconnects} reconnects`);
    }
    if (call.error) lines.push(`  failed: ${call.error.code}: ${call.error.message}`);
    lines.push('');
  }
  const { summary } = report;
  lines.push(`${summary.connected} connected, ${summary.failed} failed`);
  lines.push(`${'ms'.padEnd(16)}${'p50'.padStart(9)}${'p95'.padStart(9)}${'p99'.padStart(9)}`);
  const rows: [string, Percentiles][] = [
    ['connect', summary.connectMs],
    ['first audio', summary.firstAudioMs],
    ['voice to voice', summary.voiceToVoiceMs],
    ['barge-in', summary.bargeInMs],
    ['caller late', summary.callerLateMs],
  ];
  for (const [name, { p50, p95, p99 }] of rows) {
    lines.push(`${name.padEnd(16)}${cell(p50).padStart(9)}${cell(p95).padStart(9)}${cell(p99).padStart(9)}`);
  }
  return `${lines.join('\n')}\n`;
}
