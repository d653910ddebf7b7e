/** All scenarios, by name. */
import { killCore, killWorker, sigstopCore, staleCore } from './cores.ts';
import { clockJump, diskFull, overload } from './machines.ts';
import { drainCore, move } from './moves.ts';
import { oneWay, partition } from './network.ts';
import { drainPop, killPop } from './pops.ts';
import { redisGone, redisLostData } from './registry.ts';
import type { Scenario } from './scenario.ts';

export type { Chaos, ChaosBudget, Scenario } from './scenario.ts';

const ALL: readonly Scenario[] = [
  ...[killCore, killPop, drainCore, drainPop, move, sigstopCore, staleCore, killWorker],
  ...[redisGone, redisLostData, partition, oneWay, clockJump, diskFull, overload],
];

export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(ALL.map((scenario) => [scenario.name, scenario]));
