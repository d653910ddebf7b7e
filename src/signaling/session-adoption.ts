/**
 * A caller comes back by this POP to a session that another one had: what is known of the session, whether it may be
 * here, and the step in the registry that gives it to one POP alone. Owns those questions and their answers; the call
 * itself is opened by the session (caller-session.ts) at the core that has it.
 */
import { AntipodeError, asAntipodeError } from '../errors.ts';
import type { PlacementService } from '../placement/index.ts';
import type { NodeRecord, Registry, SessionRecord } from '../registry/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { sessionEnded } from './caller-session.ts';
import { mayComeBackBy } from './resume-chain.ts';
import type { SessionHomes } from './session-homes.ts';
import type { ResumeClaims } from './tokens.ts';

export interface SessionAdoptionOptions {
  /** This POP. */
  nodeId: string;
  registry: Pick<Registry, 'session' | 'updateSession' | 'directory' | 'nodes' | 'zone'>;
  placement: Pick<PlacementService, 'forbidsHere'>;
  homes: Pick<SessionHomes, 'adopt' | 'adoptUnseen'>;
  log: Logger;
}

/** A session that is this POP's from now on. */
export interface AdoptedSession {
  /** As the registry has it, at this POP; what only its former POP knew is missing when that was out of reach. */
  readonly record: SessionRecord;
  /** The core that has it, as it was announced last. */
  readonly core: NodeRecord;
  /** The POP that had it. */
  readonly formerPop: string;
}

/** Core and POP of a session change under our hands: so often the registry is asked again. */
const MAX_LOOKS = 4;
/** Of a home that is taken in the next step. */
const MISSED_LEASE_MS = 1_000;

export class SessionAdoption {
  readonly #options: SessionAdoptionOptions;

  constructor(options: SessionAdoptionOptions) {
    this.#options = options;
  }

  /**
   * Makes the session that a token opens this POP's.
   * @throws ERR_SESSION_UNKNOWN when there is none, or its core is gone as well; ERR_SESSION_ENDED; ERR_TOKEN_REPLAYED;
   * ERR_TOKEN_INVALID for a token of another room or pin; ERR_PLACEMENT_RESIDENCY; ERR_REGISTRY_UNAVAILABLE
   */
  async take(claims: ResumeClaims): Promise<AdoptedSession> {
    const { registry, log } = this.#options;
    this.#demandHere(claims.residency);
    try {
      return await this.#take(claims);
    } catch (error) {
      if (asAntipodeError(error).code !== 'ERR_REGISTRY_UNAVAILABLE' || claims.run === undefined) throw error;
      log.warn({ sessionId: claims.sub }, 'a session of another POP is taken by its token alone: no registry');
      return this.#takeUnseen(claims, claims.run, registry.zone);
    }
  }

  async #take(claims: ResumeClaims): Promise<AdoptedSession> {
    const { registry, homes, nodeId, log } = this.#options;
    const { sub: sessionId, generation } = claims;
    let seenPop: string | null = null;
    for (let look = 1; ; look++) {
      const [record, home] = await Promise.all([registry.session(sessionId), registry.directory.get(sessionId)]);
      if (record === null) throw new AntipodeError('ERR_SESSION_UNKNOWN', 'No session has this id.');
      if (record.state === 'ended') throw sessionEnded(record.end ?? { code: 'ended', reason: 'It is over.' });
      if (record.room !== claims.room || record.residency !== claims.residency) {
        throw new AntipodeError('ERR_TOKEN_INVALID', 'The token tells of another room or pin than its session has.');
      }
      // Somebody else was faster, with the very same token or a later one.
      const pop = home?.pop ?? record.pop;
      const taken = seenPop !== null && pop !== seenPop;
      if (taken || !mayComeBackBy(home?.generation ?? null, generation)) {
        throw new AntipodeError('ERR_TOKEN_REPLAYED', 'This resume token, or a later one, was used at another POP.');
      }
      seenPop = pop;
      const known = home !== null && home.epoch >= record.epoch ? home : record;
      const { run } = claims;
      const newer = run !== undefined && run.epoch > known.epoch ? run : known;
      const core = await this.#core(newer.core, record.agent);
      try {
        if (newer === run) await this.#tellMissed(sessionId, run);
        const next = await homes.adopt(sessionId, newer.epoch, newer.core, generation + 1);
        const change = { pop: nodeId, core: newer.core, epoch: next };
        // Before the core hears of us: what the former POP still writes at its epoch is then refused.
        await registry.updateSession(sessionId, record.epoch, change).catch((error) => {
          log.warn({ sessionId, code: asAntipodeError(error).code }, "an adopted session's record was not updated");
        });
        return { record: { ...record, ...change, state: 'active' }, core, formerPop: newer.pop };
      } catch (error) {
        if (asAntipodeError(error).code !== 'ERR_REGISTRY_CONFLICT' || look === MAX_LOOKS) throw error;
      }
    }
  }

  /** What a POP did while the registry was away, and told nobody but the client. */
  async #tellMissed(sessionId: string, { pop, core, epoch }: NonNullable<ResumeClaims['run']>): Promise<void> {
    const { directory, zone } = this.#options.registry;
    await directory.renew(sessionId, { pop, core, epoch, zone }, MISSED_LEASE_MS);
  }

  /** The registry is away: the token is signed, and the core refuses an epoch that is not the next. */
  async #takeUnseen(
    claims: ResumeClaims,
    run: NonNullable<ResumeClaims['run']>,
    zone: string,
  ): Promise<AdoptedSession> {
    const { sub: sessionId, room, residency, generation } = claims;
    const core = await this.#core(run.core, run.agent);
    const epoch = this.#options.homes.adoptUnseen(sessionId, run.epoch, run.core, generation + 1);
    const { nodeId: pop } = this.#options;
    const times = { createdAt: unixDate(claims.iat ?? claims.exp), expiresAt: unixDate(claims.exp) };
    const { agent } = run;
    return {
      record: {
        ...{ sessionId, room, agent, residency, metadata: {}, pop, core: run.core, epoch, zone, ...times },
        ...{ state: 'active', end: null, placement: null },
      },
      core,
      formerPop: run.pop,
    };
  }

  /** @throws ERR_PLACEMENT_RESIDENCY */
  #demandHere(residency: string | null): void {
    const why = residency === null ? null : this.#options.placement.forbidsHere(residency);
    if (why === null) return;
    throw new AntipodeError('ERR_PLACEMENT_RESIDENCY', `This session may not come in here: ${why}.`);
  }

  /** @throws ERR_SESSION_UNKNOWN when it is gone: with POP and core nobody knows of the call any more */
  async #core(nodeId: string, agent: string): Promise<NodeRecord> {
    const nodes = await this.#options.registry.nodes();
    const core = nodes.find((node) => node.nodeId === nodeId && node.role === 'core');
    if (core?.control && core.agents.some(({ name }) => name === agent)) return core;
    throw new AntipodeError('ERR_SESSION_UNKNOWN', 'The call cannot go on: the core that had it is gone as well.');
  }
}

function unixDate(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}
