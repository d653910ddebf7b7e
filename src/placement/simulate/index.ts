/** Public face of the simulation. */
export { runSimulate, type SimulateStreams } from './command.ts';
export { type Hidden, measureRegret, type RegretOptions, type Regrets } from './regret.ts';
export { RULE_WORDS, RULES, type RuleName } from './rule.ts';
export { defaultScenario, type Scenario, scenarioOf } from './scenario.ts';
export { type SimulateOptions, simulate } from './simulate.ts';
export type * from './simulation-result.ts';
