/** What a probe of the doctor gets and gives. */
import type { Config } from '../config/index.ts';

/** `warn`: something is left out, the rest works. `fail`: calls don't work. */
export type DoctorStatus = 'ok' | 'warn' | 'fail';

export interface DoctorCheck {
  name: string;
  status: DoctorStatus;
  detail: string;
  /** What to type or do; absent when nothing is to be done. */
  fix?: string;
}

export interface DoctorReport {
  /** No check has failed. */
  ok: boolean;
  checks: DoctorCheck[];
}

export interface DoctorOptions {
  config: Config;
  /** The repository's root. */
  root: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/** The first line of an error's message. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
