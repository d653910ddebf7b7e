/** The error of the set-up: a stable code, what went wrong, and what a person can do about it. */

/**
 * @typedef {'ERR_SETUP_USAGE' | 'ERR_SETUP_NODE' | 'ERR_SETUP_NPM' | 'ERR_SETUP_DEPENDENCIES' | 'ERR_SETUP_PACKAGES'
 *   | 'ERR_SETUP_WORKER_GIVEN' | 'ERR_SETUP_WORKER_PATCH' | 'ERR_SETUP_WORKER_BUILD' | 'ERR_SETUP_CACHE'
 *   | 'ERR_SETUP_PAGE' | 'ERR_SETUP_WEIGHTS' | 'ERR_SETUP_NOT_DONE'} SetupErrorCode
 */

/** Codes of file system errors that say that a directory can't be written to. */
const UNWRITABLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST']);

export class SetupError extends Error {
  /**
   * @param {SetupErrorCode} code
   * @param {string} message what went wrong, one sentence
   * @param {{ remedy?: string, output?: string, cause?: unknown }} [details] `remedy`: what to do; `output`: what the
   *   failed command printed
   */
  constructor(code, message, { remedy, output, cause } = {}) {
    super(message, { cause });
    this.name = 'SetupError';
    this.code = code;
    this.remedy = remedy;
    this.output = output;
  }
}

/**
 * Runs `work`, which writes under `directory`, and turns a full disk or a read-only directory into an error that says
 * so. Errors of another kind pass unchanged.
 *
 * @template T
 * @param {string} directory
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function explainUnwritable(directory, work) {
  try {
    return await work();
  } catch (error) {
    throw unwritable(directory, error) ?? error;
  }
}

/**
 * @param {string} directory
 * @param {unknown} error
 * @returns {SetupError | undefined} the explanation when `error`, or what a failed command printed, speaks of a
 *   directory that can't be written to
 */
export function unwritable(directory, error) {
  if (error instanceof SetupError && error.code === 'ERR_SETUP_CACHE') return undefined;
  const code = /** @type {{ code?: string }} */ (error)?.code ?? '';
  const printed = error instanceof SetupError ? (error.output ?? '') : '';
  const full = code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device|ENOSPC/.test(printed);
  if (!full && !UNWRITABLE.has(code)) return undefined;
  return new SetupError(
    'ERR_SETUP_CACHE',
    `${directory} ${full ? 'has no space left' : `can't be written to (${code})`}.`,
    {
      remedy: full
        ? 'Free some space (1 GB is enough), or set ANTIPODE_CACHE_DIR to a directory on another disk.'
        : 'Make it writable, or set ANTIPODE_CACHE_DIR to a directory that is.',
      output: error instanceof SetupError ? error.output : undefined,
      cause: error,
    },
  );
}
