/** Placement's own plan as a rule of the simulation: compiled each minute, with what was promised since. */

import { Plan } from '../plan.ts';
import type { PlanLeg, PlanWorld, RefusalCode } from '../plan-types.ts';
import type { Policy } from '../policy.ts';
import type { Regions } from '../regions.ts';
import type { Seats } from './fleet.ts';
import type { Knowledge } from './knowledge.ts';
import type { City } from './population.ts';
import type { CallToPlace, Placed, Rule } from './rule.ts';

export interface PlanRuleOptions {
  knowledge: Knowledge;
  policy: Policy;
  regions: Regions;
  agent: string;
  legs: readonly PlanLeg[];
  cities: readonly City[];
  /** 0..1, the same for the same call. */
  drawOf: (call: number) => number;
}

export class PlanRule implements Rule {
  readonly name = 'antipode';
  readonly #options: PlanRuleOptions;
  readonly #promised = new Map<string, number>();
  #plan: Plan | null = null;

  constructor(options: PlanRuleOptions) {
    this.#options = options;
  }

  startMinute({ fleet, sessions, gone }: Seats): void {
    const { knowledge, policy, regions } = this.#options;
    const nodes = fleet.nodes
      .map((node, index) => ({ ...node, sessions: sessions[index]! }))
      .filter((_, index) => gone[index] === 0);
    const world: PlanWorld = { regions, paths: knowledge.paths, endpoints: knowledge.endpoints, nodes };
    this.#plan = new Plan(world, policy, 0);
    this.#promised.clear();
  }

  place({ call, city, pins, popNode, currentCore }: CallToPlace, { fleet }: Seats): Placed | RefusalCode {
    const { knowledge, agent, legs, cities, drawOf } = this.#options;
    const { country, lat, lon } = cities[city]!;
    const pop = popNode === null ? null : fleet.nodes[popNode]!;
    const probes = knowledge.probesOf(call, city);
    const { chosen, refused } = this.#plan!.decideWith(
      {
        agent,
        legs,
        pins,
        caller: { country: country.code, place: { lat, lon }, probes },
        pop: pop === null ? null : { nodeId: pop.nodeId, region: pop.region },
        current: currentCore === null ? null : { coreRegion: currentCore },
        draw: drawOf(call),
      },
      this.#promised,
    );
    if (chosen === null) return refused.code;
    this.#promised.set(chosen.coreNode, (this.#promised.get(chosen.coreNode) ?? 0) + 1);
    return {
      popNode: fleet.indexOf(chosen.popNode),
      coreNode: fleet.indexOf(chosen.coreNode),
      choices: chosen.endpoints,
      cents: chosen.centsPerMinute,
    };
  }

  copy(): PlanRule {
    return new PlanRule(this.#options);
  }
}
