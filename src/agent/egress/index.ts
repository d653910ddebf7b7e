/** Keeps what a pinned session sends within its pin. */
export {
  type AllowedHost,
  currentEgress,
  type EgressAttempt,
  EgressContext,
  type EgressContextOptions,
  withEgress,
  withoutEgress,
} from './egress-context.ts';
export { installEgressGuard } from './egress-guard.ts';
