/** A V8 CPU profile of this process's main thread, for a stretch of its life. Owns the inspector's session. */
import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';

/** Between samples, microseconds. */
const INTERVAL_US = 500;

export class MainThreadProfile {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async begin(): Promise<MainThreadProfile> {
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await session.post('Profiler.start');
    return new MainThreadProfile(session);
  }

  /** Writes it as `.cpuprofile`. */
  async end(file: string): Promise<void> {
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    await writeFile(file, JSON.stringify(profile));
  }
}
