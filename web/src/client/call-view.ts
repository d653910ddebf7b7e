/**
 * Everything that the page shows of a call, as one immutable object, and how the agent's events change it. Pure; the
 * call (call.ts) owns the one that is current.
 */
import type { AgentState, CallUsage, ClientEvent } from '../../../src/agent/client-events.ts';
import type { Grant, JoinAnswer, PlacementView } from '../../../src/signaling/protocol.ts';
import type { CallState } from './call-state.ts';
import type { Failure } from './failure.ts';
import {
  type CompanyMoment,
  type Moment,
  withCameBack,
  withCompanyMoment,
  withInterruption,
  withMoved,
  withTool,
} from './moments.ts';
import type { NetworkSample } from './network-sample.ts';
import { type RoomView, roomOf } from './room.ts';
import { type TurnRecord, withTurn } from './turns.ts';

export interface TranscriptLine {
  id: string;
  turn: number;
  role: 'caller' | 'agent';
  text: string;
  final: boolean;
  interrupted: boolean;
  /** Name of another in the room who said it; null when it was this caller, or the agent. */
  speaker: string | null;
}

export interface Notice {
  level: 'info' | 'warning' | 'error';
  code: string;
  text: string;
}

export interface CallView {
  state: CallState;
  sessionId: string | null;
  agent: JoinAnswer['agent'] | null;
  placement: PlacementView | null;
  /** Another core than that of `placement` has the call since; which one the page is not told. */
  movedOn: boolean;
  agentState: AgentState | null;
  callerSpeaking: boolean;
  transcript: readonly TranscriptLine[];
  turns: readonly TurnRecord[];
  /** Tools and sounds over the agent, in the order in which they began. */
  moments: readonly Moment[];
  /** What the call has used; null before the server has told. */
  usage: CallUsage | null;
  /** What the agent said of itself before the call and during it. */
  notices: readonly Notice[];
  /** Null for a caller who has the agent alone. */
  room: RoomView | null;
  muted: boolean;
  microphoneStream: MediaStream | null;
  /** The microphone went away during the call; the call goes on without it. */
  microphoneProblem: Failure | null;
  /** What this caller shows to the others in a room. */
  cameraStream: MediaStream | null;
  cameraProblem: Failure | null;
  agentStream: MediaStream | null;
  network: NetworkSample | null;
  /** Clock milliseconds of the first connection of this call. */
  connectedAtMs: number | null;
  endedAtMs: number | null;
}

/** Beyond these, the oldest are dropped: a page that stays open for a day stays quick. */
export const VIEW_LIMITS = { transcriptLines: 500, turns: 100, moments: 200, notices: 20 } as const;

export const IDLE_VIEW: CallView = {
  state: { name: 'idle' },
  sessionId: null,
  agent: null,
  placement: null,
  movedOn: false,
  agentState: null,
  callerSpeaking: false,
  transcript: [],
  turns: [],
  moments: [],
  usage: null,
  notices: [],
  room: null,
  muted: false,
  microphoneStream: null,
  microphoneProblem: null,
  cameraStream: null,
  cameraProblem: null,
  agentStream: null,
  network: null,
  connectedAtMs: null,
  endedAtMs: null,
};

/** The view after the server has taken the caller in, for the first time or again. */
export function withAnswer(view: CallView, answer: JoinAnswer, grants: readonly Grant[] = []): CallView {
  const notices = answer.agent.notices.reduce(withNotice, view.notices);
  const { sessionId, agent, placement } = answer;
  return { ...view, sessionId, agent, placement, movedOn: false, notices, room: roomOf(answer, grants, view.room) };
}

/** The view after an event of the agent. */
export function withAgentEvent(view: CallView, event: ClientEvent): CallView {
  switch (event.type) {
    case 'agent-state':
      return { ...view, agentState: event.state };
    case 'caller-speaking':
      // Of the others in a room, `participants` tells.
      return isOther(view, event.speaker) ? view : { ...view, callerSpeaking: event.speaking };
    case 'transcript': {
      const speaker = isOther(view, event.speaker) ? (event.speaker?.name ?? null) : null;
      const line = { ...event, interrupted: event.interrupted ?? false, speaker };
      return { ...view, transcript: withLine(view.transcript, line) };
    }
    case 'turn': {
      const record = { timeline: event.timeline, callerRttMs: view.network?.rttMs ?? null };
      return { ...view, turns: withTurn(view.turns, record).slice(-VIEW_LIMITS.turns) };
    }
    case 'notice':
      return { ...view, notices: withNotice(view.notices, event) };
    case 'tool':
      return { ...view, moments: withTool(view.moments, event, newestLine(view)).slice(-VIEW_LIMITS.moments) };
    case 'interruption':
      return { ...view, moments: withInterruption(view.moments, event, newestLine(view)).slice(-VIEW_LIMITS.moments) };
    case 'usage':
      return { ...view, usage: event.usage };
    case 'moved':
      return {
        ...view,
        movedOn: true,
        moments: withMoved(view.moments, event, newestLine(view)).slice(-VIEW_LIMITS.moments),
      };
    case 'custom':
      // For clients that know the agent; this page shows what is common to all.
      return view;
  }
}

/** The view after the caller came back by another POP, and hears and is heard again. */
export function withPopChange(
  view: CallView,
  change: { region: string; gapMs: number | null; sentAway: boolean },
): CallView {
  return { ...view, moments: withCameBack(view.moments, change, newestLine(view)).slice(-VIEW_LIMITS.moments) };
}

/** The view after somebody came into the room or left it, or silenced this caller. */
export function withCompany(view: CallView, what: CompanyMoment['what'], name: string): CallView {
  return {
    ...view,
    moments: withCompanyMoment(view.moments, { what, name }, newestLine(view)).slice(-VIEW_LIMITS.moments),
  };
}

function isOther({ room }: CallView, speaker: { participantId: string } | undefined): boolean {
  return room !== null && speaker !== undefined && speaker.participantId !== room.participantId;
}

function newestLine(view: CallView): string | null {
  return view.transcript.at(-1)?.id ?? null;
}

function withLine(lines: readonly TranscriptLine[], from: TranscriptLine): TranscriptLine[] {
  const line: TranscriptLine = {
    id: from.id,
    turn: from.turn,
    role: from.role,
    text: from.text,
    final: from.final,
    interrupted: from.interrupted,
    speaker: from.speaker,
  };
  const known = lines.findIndex((other) => other.id === line.id);
  if (known !== -1) return lines.with(known, line);
  return [...lines, line].slice(-VIEW_LIMITS.transcriptLines);
}

function withNotice(notices: readonly Notice[], from: Notice): readonly Notice[] {
  if (notices.some((other) => other.code === from.code && other.text === from.text)) return notices;
  return [...notices, { level: from.level, code: from.code, text: from.text }].slice(-VIEW_LIMITS.notices);
}
