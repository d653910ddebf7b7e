/**
 * Shows the steps of the set-up with their times: a line that is rewritten on a terminal, plain lines elsewhere. Owns
 * the output and the clock of the steps; does none of their work.
 */

/** Away from a terminal a long step reports its progress this often. */
const PLAIN_PROGRESS_INTERVAL_MS = 20_000;
const SPINNER_INTERVAL_MS = 100;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * @typedef {'done' | 'warned' | 'failed' | 'skipped'} StepStatus
 *
 * @typedef {object} StepHandle
 * @property {(progress: string) => void} progress says how far the step is, such as "12/261"
 * @property {(detail: string) => void} detail what the step found or did, shown behind its name when it has ended
 * @property {(reason: string) => void} warn marks the step as done, but with something a person should know
 * @property {(reason: string) => void} fail marks the step as failed without an exception
 * @property {(reason: string) => void} skip marks the step as not done, with the reason
 * @property {() => void} handOver stops rewriting the line, as a program is going to write to the terminal itself
 *
 * @typedef {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} Output
 */

/** @type {Record<StepStatus, { mark: string, color: number }>} */
const LOOK = {
  done: { mark: 'ok', color: 32 },
  warned: { mark: 'warn', color: 33 },
  failed: { mark: 'FAIL', color: 31 },
  skipped: { mark: 'skip', color: 33 },
};

/**
 * @param {number} ms
 * @returns {string} such as "0.3 s" or "2 min 31 s"
 */
export function formatDuration(ms) {
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export class Steps {
  #output;
  #now;
  #live;

  /** @param {{ output?: Output, now?: () => number, env?: NodeJS.ProcessEnv }} [options] */
  constructor({ output = process.stdout, now = () => performance.now(), env = process.env } = {}) {
    this.#output = output;
    this.#now = now;
    this.#live = output.isTTY === true && env.TERM !== 'dumb' && env.CI === undefined;
  }

  /**
   * Runs one step and writes its line. An exception marks the step as failed and goes on to the caller.
   *
   * @template T
   * @param {string} name
   * @param {(step: StepHandle) => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  async run(name, work) {
    const startedMs = this.#now();
    /** @type {StepStatus} */
    let status = 'done';
    let detail = '';
    let progress = '';
    let lastPlainMs = startedMs;
    let frame = 0;

    const redraw = () => {
      const line = `${SPINNER[frame++ % SPINNER.length]} ${name}  ${progress}  ${formatDuration(this.#now() - startedMs)}`;
      this.#output.write(`\r\x1b[2K${line.slice(0, (this.#output.columns ?? 80) - 1)}`);
    };
    let spinner = this.#live ? setInterval(redraw, SPINNER_INTERVAL_MS) : undefined;
    const stopSpinner = () => {
      if (spinner === undefined) return;
      clearInterval(spinner);
      spinner = undefined;
      this.#output.write('\r\x1b[2K');
    };
    /** @param {StepStatus} newStatus */
    const marker = (newStatus) => (/** @type {string} */ reason) => {
      status = newStatus;
      detail = reason;
    };

    /** @type {StepHandle} */
    const handle = {
      progress: (text) => {
        progress = text;
        if (this.#live || this.#now() - lastPlainMs < PLAIN_PROGRESS_INTERVAL_MS) return;
        lastPlainMs = this.#now();
        this.#output.write(`...  ${name}: ${text}  ${formatDuration(lastPlainMs - startedMs)}\n`);
      },
      detail: (text) => {
        detail = text;
      },
      warn: marker('warned'),
      fail: marker('failed'),
      skip: marker('skipped'),
      handOver: stopSpinner,
    };

    try {
      return await work(handle);
    } catch (error) {
      status = 'failed';
      throw error;
    } finally {
      stopSpinner();
      this.#line(status, `${name}${detail ? `: ${detail}` : ''}`, this.#now() - startedMs);
    }
  }

  /**
   * @param {StepStatus} status
   * @param {string} text
   * @param {number} elapsedMs
   */
  #line(status, text, elapsedMs) {
    const { mark, color } = LOOK[status];
    const shown = this.#output.isTTY ? `\x1b[${color}m${mark.padEnd(4)}\x1b[0m` : mark.padEnd(4);
    this.#output.write(`${shown} ${text}  (${formatDuration(elapsedMs)})\n`);
  }
}
