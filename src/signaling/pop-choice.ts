/**
 * By which POP a caller who has measured several should come in: this one, or another to which it is sent before there
 * is a session; and which other POP to try when this one refuses. Owns those choices, which promise nothing; a session is
 * placed by the POP that creates it.
 */
import type { CallerPlaces, PlacementService } from '../placement/index.ts';
import { popBaseUrl } from './pop-address.ts';
import type { CreateSessionRequest } from './protocol.ts';

export interface PopChoiceOptions {
  /** This POP. */
  nodeId: string;
  places: Pick<CallerPlaces, 'place'>;
  placement: Pick<PlacementService, 'popFor' | 'popsFor' | 'nodes'>;
}

/** Where a caller who is refused here may ask instead. */
export interface AnotherPop {
  readonly pop: string;
  readonly region: string;
  /** For `POST`. */
  readonly sessionsUrl: string;
}

/** Query parameter of `POST /v1/sessions`: the POP that has sent the caller on, which is done once. */
export const SENT_BY = 'sentBy';

export class PopChoice {
  readonly #options: PopChoiceOptions;

  constructor(options: PopChoiceOptions) {
    this.#options = options;
  }

  /**
   * Where to ask for this session instead, or null to create it here.
   * @throws as `PlacementService.popFor`
   */
  async elsewhere(request: CreateSessionRequest, address: string): Promise<string | null> {
    const { probes } = request;
    if (probes === undefined || probes.length < 2) return null;
    const { nodeId, places, placement } = this.#options;
    const { country, at: place, withinKm } = await places.place(address);
    const pop = await placement.popFor({
      agent: request.agent,
      residency: request.residency ?? null,
      caller: { country, place, withinKm },
      probes,
    });
    if (pop === null || pop === nodeId) return null;
    const url = this.#sessionsUrl(pop);
    return url === null ? null : `${url}?${SENT_BY}=${encodeURIComponent(nodeId)}`;
  }

  /**
   * The nearest other POP with room that the caller's pins allow, for a caller who is refused here; null when there is none.
   * @throws as `PlacementService.popsFor`
   */
  async another(
    request: Pick<CreateSessionRequest, 'agent' | 'residency'>,
    address: string,
  ): Promise<AnotherPop | null> {
    const { nodeId, places, placement } = this.#options;
    const { country, at: place, withinKm } = await places.place(address);
    const { agent, residency = null } = request;
    const pops = await placement.popsFor({ agent, residency, caller: { country, place, withinKm }, without: nodeId });
    for (const { nodeId: pop, region } of pops) {
      const sessionsUrl = this.#sessionsUrl(pop);
      if (sessionsUrl !== null) return { pop, region, sessionsUrl };
    }
    return null;
  }

  #sessionsUrl(pop: string): string | null {
    const node = this.#options.placement.nodes.find(({ nodeId }) => nodeId === pop);
    const base = popBaseUrl(node?.signalingUrl ?? null);
    return base === null ? null : `${base}/v1/sessions`;
  }
}
