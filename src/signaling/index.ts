/** Public face of signaling. */
export type { CallEvents, CallRequest, MediaCall, MediaEdge } from './call-port.ts';
export { NodeServer, type NodeServerOptions } from './node-server.ts';
export { popBaseUrl, probeUrlOf } from './pop-address.ts';
export * from './protocol.ts';
export type { Readiness } from './rest-health.ts';
export {
  type AgentList,
  agentListSchema,
  type SessionView,
  sessionViewSchema,
} from './rest-protocol.ts';
export { SignalingServer, type SignalingServerOptions } from './server.ts';
export { loadTokenSecret } from './token-secret.ts';
export { ALL_GRANTS, type Grant, SessionTokens } from './tokens.ts';
