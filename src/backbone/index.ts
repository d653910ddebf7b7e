/** Public face of the backbone: what joins a POP and a core. */
export { type ControlAddress, ONLY_WAY } from './control-address.ts';
export {
  ControlClient,
  type ControlClientEvents,
  type ControlClientOptions,
} from './control-client.ts';
export type { CoreHandlers, HandledPopRequestMethod, PopPeer } from './control-handlers.ts';
export { ControlServer, type ControlServerOptions } from './control-server.ts';
export type { CoreEventTuple } from './core-frames.ts';
export { type IdentityFiles, identityFromFiles } from './identity-files.ts';
export { type IdentityStatus, LiveIdentity } from './live-identity.ts';
export {
  MediaPipe,
  type MediaPipeOptions,
  type MediaPipeStats,
  type PipeCloseReason,
  type PipeEnd,
  type PipeSrtpParameters,
  type PortRange,
  type ReceivedStream,
  type SentStream,
  type SentVideo,
} from './media-pipe.ts';
export { MediaWorker, type MediaWorkerEvents, type MediaWorkerOptions, type MediaWorkerUsage } from './media-worker.ts';
export type { NodeIdentity, NodeRole, RenewableIdentity } from './node-identity.ts';
export {
  OPUS_CLOCK_RATE,
  OPUS_FRAME_TIMESTAMP_STEP,
  OPUS_ROUTER_CODECS,
  opusProducerParameters,
  PIPE_OPUS_PAYLOAD_TYPE,
} from './opus-stream.ts';
export type { PathQuality } from './path-meter.ts';
export { PipeProbe, type PipeProbeOptions } from './pipe-probe.ts';
export { type DevelopmentCa, type DevelopmentCaOptions, ensureDevelopmentCa } from './pki.ts';
export {
  BACKBONE_PROTOCOL_VERSION,
  type CoreEventData,
  type CoreEventName,
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_TIMEOUT_MS,
  type PipeStream,
  type PipeTuple,
  type PopEventData,
  type PopEventName,
  type PopRequestAnswer,
  type PopRequestData,
  type PopRequestMethod,
  type VideoStream,
} from './protocol.ts';
export type { RttSpread } from './recent-rtt.ts';
export {
  identityOfDevelopment,
  identityOfFiles,
  type RenewedIdentity,
  type RenewedIdentityOptions,
} from './renewed-identity.ts';
export {
  AUDIO_LEVEL_EXTENSION_ID,
  AUDIO_LEVEL_EXTENSION_URI,
  type BuildRtpOptions,
  buildRtp,
  parseRtp,
  type RtpView,
  seqDelta,
  tsDelta,
} from './rtp.ts';
export type { WebRtcListenOptions } from './webrtc-listen.ts';
