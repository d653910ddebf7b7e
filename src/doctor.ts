/**
 * `antipode doctor`: looks at each part that a call needs and says whether it is fine and what to do if not. Owns the
 * order of the probes, the report and its print; changes nothing on the machine.
 */
import type { DoctorCheck, DoctorOptions, DoctorReport, DoctorStatus } from './doctor/check.ts';
import { firstLine } from './doctor/check.ts';
import { probeDependencies, probeNode, probePage, probeWorker } from './doctor/installation.ts';
import { probeOpenAI, probeSilero, probeSpeech, probeWrtc } from './doctor/media.ts';
import { probePorts, probeStateDir } from './doctor/surroundings.ts';

export type { DoctorCheck, DoctorOptions, DoctorReport, DoctorStatus } from './doctor/check.ts';

/** A probe that breaks is a part that isn't fine, not a broken doctor. */
type Probe = { name: string; run: (options: DoctorOptions) => Promise<DoctorCheck[]> };

const PROBES: readonly Probe[] = [
  { name: 'node', run: probeNode },
  { name: 'dependencies', run: probeDependencies },
  { name: 'mediasoup worker', run: probeWorker },
  { name: 'voice activity', run: probeSilero },
  { name: 'headless caller', run: probeWrtc },
  { name: 'speech', run: probeSpeech },
  { name: 'page', run: probePage },
  { name: 'ports', run: probePorts },
  { name: 'state directory', run: probeStateDir },
  { name: 'openai', run: probeOpenAI },
];

export async function doctor(options: DoctorOptions, probes: readonly Probe[] = PROBES): Promise<DoctorReport> {
  const checks: DoctorCheck[] = [];
  for (const { name, run } of probes) {
    try {
      checks.push(...(await run(options)));
    } catch (error) {
      checks.push({ name, status: 'fail', detail: `could not be checked: ${firstLine(error)}`, fix: 'npm start' });
    }
  }
  return { ok: checks.every(({ status }) => status !== 'fail'), checks };
}

const LOOK: Readonly<Record<DoctorStatus, { mark: string; color: number }>> = {
  ok: { mark: 'ok', color: 32 },
  warn: { mark: 'warn', color: 33 },
  fail: { mark: 'FAIL', color: 31 },
};

export interface ReportStream {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Prints one line a check, with what to do below it where there is something to do. Colors on a terminal only. */
export function printDoctorReport(report: DoctorReport, stream: ReportStream): void {
  const width = Math.max(...report.checks.map(({ name }) => name.length), 0);
  for (const { name, status, detail, fix } of report.checks) {
    const { mark, color } = LOOK[status];
    const shown = stream.isTTY ? `\x1b[${color}m${mark.padEnd(4)}\x1b[0m` : mark.padEnd(4);
    stream.write(`${shown} ${name.padEnd(width)}  ${detail}\n`);
    if (fix) stream.write(`${' '.repeat(width + 7)}-> ${fix}\n`);
  }
  const count = (wanted: DoctorStatus) => report.checks.filter(({ status }) => status === wanted).length;
  stream.write(`${count('ok')} ok, ${count('warn')} to know, ${count('fail')} to mend\n`);
}
