/** Public face of the book of services: what is chosen, and the stack that agents use. */
export { ChosenS2s, type ChosenS2sOptions } from './chosen-s2s.ts';
export {
  type ChosenService,
  type ChosenServices,
  chooseServices,
  type ServicesConfig,
  servicesEnvironment,
} from './chosen-services.ts';
export {
  type BreakerState,
  CIRCUIT_BREAKER_DEFAULTS,
  CircuitBreaker,
  type CircuitBreakerOptions,
} from './circuit-breaker.ts';
export { type ConfinedStack, ConfinedStacks } from './confined-stacks.ts';
export { MeteredLlm } from './metered-llm.ts';
export { MeteredStt } from './metered-stt.ts';
export { MeteredTts } from './metered-tts.ts';
export { ResilientLlm } from './resilient-llm.ts';
export { ResilientS2s, type ResilientS2sOptions } from './resilient-s2s.ts';
export { ResilientStt, type ResilientSttOptions } from './resilient-stt.ts';
export { ResilientTts } from './resilient-tts.ts';
export { ResilientTurnDetector, type ResilientTurnDetectorOptions } from './resilient-turn-detector.ts';
export type { Endpoint } from './service-line.ts';
export { type ServiceMetrics, serviceMetrics } from './service-metrics.ts';
export {
  type AgentStack,
  FIRST_RESPONSE_DEFAULTS_MS,
  HEDGE_DEFAULTS,
  type HedgeOptions,
  ServiceStack,
  type ServiceStackOptions,
  type StackAddress,
  type TurnDetector,
} from './service-stack.ts';
