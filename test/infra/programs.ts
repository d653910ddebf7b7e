/** Programs that some checks use and a machine may lack. Owns finding and running them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Its path; null where it is not installed. */
export function programPath(name: string, environment: NodeJS.ProcessEnv = process.env): string | null {
  for (const folder of (environment.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/** A plan of a few regions is some megabytes of text. */
const MAX_OUTPUT_BYTES = 64 * 1_048_576;

/** Terraform with a data folder of its own, gone afterwards: it leaves nothing in the repository. */
export class Terraform implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'antipode-terraform-'));
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns what it printed, without colors, and whether it was content */
  run(args: readonly string[]): { readonly ok: boolean; readonly output: string } {
    const { status, stdout, stderr } = spawnSync(this.#path, args, {
      encoding: 'utf8',
      env: this.#environment,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return { ok: status === 0, output: plain(`${stdout}${stderr}`) };
  }

  /** @throws Error when it is not content */
  read(args: readonly string[]): string {
    return execFileSync(this.#path, args, {
      encoding: 'utf8',
      env: this.#environment,
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      TF_DATA_DIR: join(this.folder, 'data'),
      TF_IN_AUTOMATION: '1',
      CHECKPOINT_DISABLE: '1',
      NO_COLOR: '1',
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with one.
  return text.replace(/\x1b\[[0-9;]*m/g, '');
}
