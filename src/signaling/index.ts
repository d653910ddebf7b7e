/** Public face of signaling. */
export type { CallEvents, CallRequest, HandedOver, HandOverRequest, MediaCall, MediaEdge } from './call-port.ts';
export { NodeServer, type NodeServerOptions } from './node-server.ts';
export { popBaseUrl, probeUrlOf } from './pop-address.ts';
export * from './protocol.ts';
export type { DrainAnswer, DrainPort } from './rest-drain.ts';
export type { Readiness } from './rest-health.ts';
export type { MoveAnswer } from './rest-move.ts';
export {
  type AgentList,
  agentListSchema,
  type SessionView,
  sessionViewSchema,
} from './rest-protocol.ts';
export type { RoomCall, RoomHere, Seat } from './room-port.ts';
export { SignalingServer, type SignalingServerOptions } from './server.ts';
export { loadTokenSecret } from './token-secret.ts';
export { DEFAULT_GRANTS, SessionTokens } from './tokens.ts';
