/** The session directory in Redis: each home a hash, each step a script. Leases run by Redis's clock. */
import type { AntipodeError } from '../../errors.ts';
import {
  type HeldHome,
  HOME_RETENTION_MS,
  type RenewOutcome,
  type SessionDirectory,
  type SessionHome,
  sessionHomeSchema,
} from '../directory.ts';
import { demandZone, homeConflict, homeReleased } from '../directory-errors.ts';
import type { RegistryMetrics } from '../registry-metrics.ts';
import { RECORD_VERSION, type RecordReader } from './envelope.ts';
import type { RegistryKeys } from './keys.ts';
import type { RedisLink } from './link.ts';
import type { ScriptName } from './scripts.ts';

export interface RedisDirectoryOptions {
  link: RedisLink;
  keys: RegistryKeys;
  reader: RecordReader;
  metrics: RegistryMetrics;
  zone: string;
  onReclaimed: (sessionId: string) => void;
}

export class RedisDirectory implements SessionDirectory {
  readonly #options: RedisDirectoryOptions;

  constructor(options: RedisDirectoryOptions) {
    this.#options = options;
  }

  async claim(sessionId: string, home: SessionHome, leaseMs: number): Promise<void> {
    await this.#write('antipodeClaimHome', sessionId, home, home.epoch, leaseMs);
  }

  async takeOver(
    sessionId: string,
    expectedEpoch: number,
    next: Omit<SessionHome, 'epoch'>,
    leaseMs: number,
  ): Promise<SessionHome> {
    const home = { ...next, epoch: expectedEpoch + 1 };
    await this.#write('antipodeTakeOverHome', sessionId, home, expectedEpoch, leaseMs);
    return home;
  }

  async renew(sessionId: string, home: SessionHome, leaseMs: number): Promise<RenewOutcome> {
    const outcome = await this.#write('antipodeRenewHome', sessionId, home, home.epoch, leaseMs).catch(
      (error: unknown) => {
        this.#options.metrics.renewalsFailed.inc({ kind: 'session' });
        throw error;
      },
    );
    if (outcome !== 'reclaimed') return 'renewed';
    this.#options.onReclaimed(sessionId);
    return outcome;
  }

  async release(sessionId: string, epoch: number): Promise<boolean> {
    const { link, keys } = this.#options;
    const args = [String(epoch), String(HOME_RETENTION_MS)];
    return (await link.script('antipodeReleaseHome', [keys.home(sessionId)], args)) === 1;
  }

  async get(sessionId: string): Promise<HeldHome | null> {
    const { link, keys, reader } = this.#options;
    const answer = await link.script('antipodeGetHome', [keys.home(sessionId)], []);
    const [version, pop, core, epoch, zone, leaseMs, generation] = (answer as unknown[]).map(String);
    if (version === undefined) return null;
    if (Number(version) > RECORD_VERSION) return reader.skip('home', sessionId, 'future', `version ${version}`);
    const newest = Number(generation);
    const known = { pop, core, epoch: Number(epoch), zone, ...(newest > 0 && { generation: newest }) };
    const home = sessionHomeSchema.safeParse(known);
    if (!home.success) return reader.skip('home', sessionId, 'invalid', 'not a home');
    return { ...home.data, leaseMs: Number(leaseMs) };
  }

  async #write(
    script: ScriptName,
    sessionId: string,
    home: SessionHome,
    askedEpoch: number,
    leaseMs: number,
  ): Promise<unknown> {
    const { link, keys, zone } = this.#options;
    demandZone(zone, home.zone);
    const { pop, core, epoch, generation = 0 } = home;
    const args = [pop, core, epoch, home.zone, leaseMs, HOME_RETENTION_MS, generation].map(String);
    const answer = await link.script(script, [keys.home(sessionId)], args);
    const [outcome, knownEpoch, knownCore] = (answer as unknown[]).map(String);
    if (outcome === 'ok' || outcome === 'reclaimed') return outcome;
    throw refusal(sessionId, askedEpoch, outcome, { epoch: Number(knownEpoch), core: knownCore ?? 'nobody' });
  }
}

function refusal(
  sessionId: string,
  askedEpoch: number,
  outcome: string | undefined,
  known: { epoch: number; core: string },
): AntipodeError {
  return outcome === 'released' ? homeReleased(sessionId) : homeConflict(sessionId, askedEpoch, known);
}
