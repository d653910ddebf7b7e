/** The left side: whom one talks to, the dial with the one big button or the time, who is speaking, the controls. */
import type { AgentState } from '../../../src/agent/client-events.ts';
import type { Call } from '../client/call.ts';
import { type CallStateName, isLive } from '../client/call-state.ts';
import type { CallView } from '../client/call-view.ts';
import { isPaused, runningTools } from '../client/moments.ts';
import { Dial } from './dial.tsx';
import { HangUpIcon, MicrophoneIcon, MutedIcon, PhoneIcon } from './icons.tsx';
import type { Levels } from './levels.ts';
import { useNow } from './use-call.ts';

interface StageProps {
  call: Call;
  view: CallView;
  levels: Levels;
  /** Title of the agent that is, or would be, called; null while there is none to call. */
  agentTitle: string | null;
  /** The room that is, or would be, joined; null for a call alone. */
  roomName: string | null;
  /** What stands there instead of its title. */
  emptyTitle: string;
  /** performance.now() before which the server asked not to be called again. */
  notBeforeMs: number | null;
  onJoin: () => void;
}

const JOIN_STEPS = {
  microphone: 'Allow the microphone',
  session: 'Finding a place',
  media: 'Connecting sound',
} as const;

const AGENT_STATES = {
  starting: 'getting ready',
  listening: 'listening',
  thinking: 'thinking',
  speaking: 'speaking',
} as const;

export function Stage({ call, view, levels, agentTitle, roomName, emptyTitle, notBeforeMs, onJoin }: StageProps) {
  const { state } = view;
  return (
    <section className="stage" aria-label="Call" data-live={isLive(state) || undefined}>
      <h1 className="stage-title" tabIndex={-1} data-keep-focus>
        {agentTitle ?? emptyTitle}
      </h1>
      <Dial view={view} levels={levels}>
        <DialCenter view={view} agentTitle={agentTitle} roomName={roomName} notBeforeMs={notBeforeMs} onJoin={onJoin} />
      </Dial>
      <Who view={view} agentTitle={agentTitle} />
      {state.name === 'idle' && agentTitle !== null && (
        <p className="stage-hint">
          Your browser asks for the microphone. Your voice goes to the nearest point of presence, and from there to the
          agent{roomName !== null && ' and to everybody in the room'}.
        </p>
      )}
      {isLive(state) && (
        <div className="controls">
          {state.name !== 'joining' && (
            <button
              type="button"
              className="control"
              data-testid="mute"
              aria-pressed={view.muted}
              onClick={() => call.setMuted(!view.muted)}
            >
              {view.muted ? <MutedIcon /> : <MicrophoneIcon />}
              {view.muted ? 'Unmute' : 'Mute'}
            </button>
          )}
          <button type="button" className="control control-end" data-testid="hang-up" onClick={() => call.hangUp()}>
            <HangUpIcon />
            {state.name === 'joining' ? 'Cancel' : 'Hang up'}
          </button>
        </div>
      )}
    </section>
  );
}

function DialCenter(props: Omit<StageProps, 'call' | 'levels' | 'emptyTitle'>) {
  const { view, agentTitle, roomName, notBeforeMs, onJoin } = props;
  const { state } = view;
  switch (state.name) {
    case 'joining':
      return <p className="dial-step">{JOIN_STEPS[state.step]}</p>;
    case 'connected':
      return (
        <>
          <Elapsed fromMs={view.connectedAtMs} />
          <p className="dial-word">{view.agentState ? agentWord(view, view.agentState) : 'connected'}</p>
        </>
      );
    case 'reconnecting':
      return (
        <>
          <Elapsed fromMs={view.connectedAtMs} />
          <p className="dial-word">coming back</p>
        </>
      );
    default:
      return <JoinButton state={state.name} {...{ agentTitle, roomName, notBeforeMs, onJoin }} />;
  }
}

const JOIN_WORDS: Partial<Record<CallStateName, string>> = { idle: 'Call', ended: 'Call again', failed: 'Try again' };

function JoinButton(props: {
  state: CallStateName;
  agentTitle: string | null;
  roomName: string | null;
  notBeforeMs: number | null;
  onJoin: () => void;
}) {
  const { state, agentTitle, roomName, notBeforeMs, onJoin } = props;
  const now = useNow(notBeforeMs !== null);
  const waitSeconds = notBeforeMs === null ? 0 : Math.max(0, Math.ceil((notBeforeMs - now) / 1_000));
  const unavailable = agentTitle === null || waitSeconds > 0;
  return (
    <button
      type="button"
      className="join"
      data-testid="join"
      aria-disabled={unavailable}
      onClick={() => {
        if (!unavailable) onJoin();
      }}
    >
      <PhoneIcon />
      <span>{state === 'idle' && roomName !== null ? 'Join' : JOIN_WORDS[state]}</span>
      {agentTitle !== null && <span className="visually-hidden"> {agentTitle}</span>}
      {roomName !== null && <span className="join-room">room {roomName}</span>}
      {waitSeconds > 0 && <span className="join-wait">in {waitSeconds} s</span>}
    </button>
  );
}

function Elapsed({ fromMs }: { fromMs: number | null }) {
  const now = useNow(true);
  const seconds = fromMs === null ? 0 : Math.max(0, Math.floor((now - fromMs) / 1_000));
  return (
    <p className="dial-time" role="timer" aria-label="Length of the call">
      {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, '0')}
    </p>
  );
}

function Who({ view, agentTitle }: { view: CallView; agentTitle: string | null }) {
  const connected = view.state.name === 'connected' || view.state.name === 'reconnecting';
  if (!connected) return null;
  const callerSpeaks = view.callerSpeaking && !view.muted;
  const agentSpeaks = view.agentState === 'speaking';
  return (
    <div className="who">
      <p className="who-side who-caller" data-testid="who-caller" data-speaking={callerSpeaks}>
        <b>You</b>
        <span>{callerWord(view, callerSpeaks)}</span>
      </p>
      <p className="who-side who-agent" data-testid="who-agent" data-speaking={agentSpeaks}>
        <b>{agentTitle ?? 'Agent'}</b>
        <span>{agentWord(view, view.agentState ?? 'starting')}</span>
      </p>
    </div>
  );
}

function agentWord(view: CallView, state: AgentState): string {
  if (state === 'speaking' && isPaused(view.moments)) return 'paused';
  const [tool] = runningTools(view.moments);
  return state === 'thinking' && tool !== undefined ? 'using a tool' : AGENT_STATES[state];
}

function callerWord(view: CallView, speaks: boolean): string {
  if (view.microphoneProblem) return 'no microphone';
  if (view.muted) return 'muted';
  return speaks ? 'speaking' : 'quiet';
}
