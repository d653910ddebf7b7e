/**
 * By which other POPs a session's caller may come back when this one is lost: those with room that the session's pins
 * allow, the nearest to the caller first. Owns the list, as it is and as the client was told it last.
 */
import type { PlaceAsk, PlacementService } from '../placement/index.ts';
import type { Logger } from '../telemetry/index.ts';
import { signalingUrlOf } from './pop-address.ts';
import { MAX_OTHER_POPS, type OtherPop } from './protocol.ts';

export interface ElsewhereOptions {
  /** Whom it is for; `residency`: every pin that holds. */
  ask: Pick<PlaceAsk, 'agent' | 'residency' | 'caller'>;
  /** This POP. */
  nodeId: string;
  placement: Pick<PlacementService, 'popsFor' | 'nodes'>;
  log: Logger;
}

export class Elsewhere {
  readonly #options: ElsewhereOptions;
  /** As the client was told last. */
  #told: readonly OtherPop[] = [];

  constructor(options: ElsewhereOptions) {
    this.#options = options;
  }

  /** As it is now, which the client is told. Never rejects. */
  async now(): Promise<readonly OtherPop[]> {
    this.#told = await this.#find();
    return this.#told;
  }

  /** As it is now when that is other than what the client was told, who is told; else null. Never rejects. */
  async changed(): Promise<readonly OtherPop[] | null> {
    const before = this.#told;
    const now = await this.now();
    const same = now.length === before.length && now.every(({ pop }, at) => pop === before[at]!.pop);
    return same ? null : now;
  }

  async #find(): Promise<readonly OtherPop[]> {
    const { ask, nodeId, placement, log } = this.#options;
    try {
      const pops = await placement.popsFor({ ...ask, without: nodeId });
      const found = pops.flatMap(({ nodeId: pop, region }) => {
        const node = placement.nodes.find((known) => known.nodeId === pop);
        const signalingUrl = signalingUrlOf(node?.signalingUrl ?? null);
        return signalingUrl === null ? [] : [{ pop, region, signalingUrl }];
      });
      return found.slice(0, MAX_OTHER_POPS);
    } catch (error) {
      // The call goes on without: its caller could come back by this POP only.
      log.warn({ err: error }, 'the other POPs for a caller are not known');
      return [];
    }
  }
}
