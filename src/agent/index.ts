/**
 * Public face of the agent's side: what agent modules are written with, and what a core hosts them by. Knows nothing
 * of mediasoup, RTP or nodes.
 */
export { AgentHost, type AgentHostOptions } from './agent-host.ts';
export { type AgentMetrics, agentMetrics } from './agent-metrics.ts';
export { type AgentServices, FLITE_MISSING, POCKETSPHINX_MISSING } from './agent-services.ts';
export { type AnnounceOptions, announceParticipants } from './announce.ts';
export {
  CASCADE_DEFAULTS,
  type CascadeOptions,
  type CascadeServices,
  cascade,
  cascadeLegs,
  cascadeNotices,
  SERVICES_MISSING,
} from './cascade.ts';
export {
  type AgentState,
  agentStateSchema,
  type ClientEvent,
  type ClientMessage,
  clientEventSchema,
  clientMessageSchema,
  type SessionEnd,
  sessionEndSchema,
  type TurnTimeline,
  turnTimelineSchema,
} from './client-events.ts';
export { applyChange, type ConversationChange, conversationChangeSchema } from './context/index.ts';
export {
  Conversation,
  type ConversationEntry,
  type ConversationOptions,
  type ConversationSnapshot,
} from './conversation.ts';
export { conversationOf } from './conversation-of.ts';
export { type AgentDefinition, type AgentNotice, defineAgent } from './define-agent.ts';
export type { Frame, FrameKind } from './frames.ts';
export {
  type CallObserver,
  CallObservers,
  type Observation,
  type Observe,
  type ServiceRun,
  type ServiceUsage,
  type ServiceWatch,
  type ToolOutcome,
  watchFor,
} from './observe/index.ts';
export type { RunningAgent } from './running-agent.ts';
export { ServiceStack } from './services/book/index.ts';
export {
  type Catalogue,
  createLlm,
  createStt,
  createTts,
  loadCatalogue,
  type ServiceEndpoint,
} from './services/catalogue/index.ts';
export type { Llm, LlmEvent, LlmRequest, Tool, ToolContext } from './services/llm.ts';
export type { Missing, OrMissing } from './services/missing.ts';
export { OpenAiRealtime, type OpenAiRealtimeOptions } from './services/s2s/openai-realtime.ts';
export type { S2s, S2sEvent, S2sOpenOptions, S2sSession, S2sTurns } from './services/s2s.ts';
export { DeepgramStt, type DeepgramSttOptions } from './services/stt/deepgram.ts';
export { DeepgramFlux, type DeepgramFluxOptions } from './services/stt/deepgram-flux.ts';
export type { SpeechGrammar } from './services/stt/jsgf.ts';
export { OpenAiRealtimeStt, type OpenAiRealtimeSttOptions } from './services/stt/openai-realtime.ts';
export type {
  StreamingStt,
  Stt,
  SttListenOptions,
  SttStream,
  SttStreamEvent,
  SttStreamHandlers,
  SttUtterance,
  SttWord,
  Transcription,
  TurnDetectingStt,
} from './services/stt.ts';
export { Cartesia, type CartesiaOptions } from './services/tts/cartesia.ts';
export { ElevenLabs, type ElevenLabsOptions } from './services/tts/elevenlabs.ts';
export type { SpeechChunk, SpokenWord, SynthesizeOptions, Tts } from './services/tts.ts';
export { buildWav, type PcmAudio, parseWav } from './services/wav.ts';
export {
  type Chain,
  chain,
  type Emit,
  gate,
  type Parallel,
  type Part,
  parallel,
  type Stage,
  switched,
} from './stage.ts';
export { type AnswerByModelOptions, answerByModel, type Greeting } from './stages/answer-by-model.ts';
export { answerByScript, type Script, type ScriptStep } from './stages/answer-by-script.ts';
export { type ConverseOptions, converse } from './stages/converse.ts';
export { type ContinuousHearing, hearContinuously } from './stages/hear-continuously.ts';
export { judge } from './stages/judge.ts';
export { listen } from './stages/listen.ts';
export { speak } from './stages/speak.ts';
export { type SummarizeOptions, summarize } from './stages/summarize.ts';
export { transcribe } from './stages/transcribe.ts';
export { type HangUpToolOptions, hangUpTool } from './tools/hang-up-tool.ts';
export type { Turn, TurnAbortReason, TurnCause, TurnWords } from './turn.ts';
export { MEANING_DEFAULTS, type MeaningOptions } from './turn-taking/backchannels.ts';
export type { EndOfTurn, EndVerdict, EndWatch } from './turn-taking/ends/end-of-turn.ts';
export { firstOf } from './turn-taking/ends/first-of.ts';
export { SILENCE_DEFAULTS, type SilenceOptions, silence } from './turn-taking/ends/silence.ts';
export { SMART_END_DEFAULTS, type SmartEndOptions, smartEnd } from './turn-taking/ends/smart-end.ts';
export { STT_END_DEFAULTS, type SttEndOptions, sttEnd } from './turn-taking/ends/stt-end.ts';
export { IDLE_DEFAULTS, type IdleOptions } from './turn-taking/idle-watch.ts';
export { type TakeTurnsOptions, takeTurns } from './turn-taking/take-turns.ts';
export { TURN_TAKING_DEFAULTS, type TurnTakingOptions } from './turn-taking/transition.ts';
export {
  type AgentCall,
  type CallPorts,
  type Confinement,
  type DataTouch,
  EAR_FRAME_SAMPLES,
  EAR_SAMPLE_RATE,
  type Ear,
  type EarFrame,
  type EarFrameOrigin,
  type Heard,
  type Leg,
  type Mouth,
  type MouthEvents,
  type Participant,
  type ParticipantChange,
  type Participants,
  type Speaker,
} from './types.ts';
