/** Public face of the core. */
export type { AgentStarter, RunningAgent } from './agent-starter.ts';
export { Core, type CoreOptions, type CoreStats } from './core.ts';
export type { CoreTotals } from './core-metrics.ts';
export type { LatenessPercentiles } from './lateness-record.ts';
