/** Public face of the headless caller. Import it only where a call is made: it loads libwebrtc at the first call. */
export { CALL_HELP, type CallArguments, parseCallArguments } from './arguments.ts';
export type { CallResult } from './call.ts';
export { type CommandStreams, callMain, runCallCommand } from './command.ts';
export type { Turn } from './conversation.ts';
export { type CallReport, type CallSummary, formatReport, type Percentiles, succeeded } from './report.ts';
export { type CallOptions, runCalls } from './run-calls.ts';
