/** Light callers: cheap load on the real path of a call, measured at its own socket. */
export type { ArrivalReport } from './arrivals.ts';
export {
  LightCaller,
  type LightCallerOptions,
  type LightCallerReport,
  type ReceivedFrame,
} from './light-caller.ts';
export { OwnLag } from './own-lag.ts';
export { type ProbeSignal, recordProbeSignal } from './probe-signal.ts';
export { LIGHT_CALLER_SUITE, makeSrtpKey, type SrtpKey } from './srtp-key.ts';
