/** The page: the stage on one side; on the other the choice of an agent, or the call with what it shows. */
import { type ReactNode, type RefObject, useEffect, useRef, useState } from 'react';
import type { Call } from '../client/call.ts';
import { type CallStateName, isLive } from '../client/call-state.ts';
import type { CallView } from '../client/call-view.ts';
import type { Failure } from '../client/failure.ts';
import type { RestOptions } from '../client/rest.ts';
import { type SeatFields, type SeatProblem, seatOf } from '../client/room.ts';
import type { Invitation } from '../client/session-request.ts';
import { AgentAudio } from './agent-audio.tsx';
import { AgentChoice } from './agent-choice.tsx';
import { EndBanner, FailureBanner, MicrophoneBanner, ReconnectingBanner } from './banner.tsx';
import { Composer } from './composer.tsx';
import { CostPanel } from './cost-panel.tsx';
import { BrandMark } from './icons.tsx';
import { Levels } from './levels.ts';
import { Notices } from './notices.tsx';
import { PeoplePanel } from './people-panel.tsx';
import { RoomAudio } from './room-audio.tsx';
import { RoomChoice } from './room-choice.tsx';
import { RoutePanel } from './route-panel.tsx';
import { Stage } from './stage.tsx';
import { Transcript } from './transcript.tsx';
import { TurnsPanel } from './turns-panel.tsx';
import { type Directory, useCallView, useDirectory } from './use-call.ts';

interface AppProps {
  call: Call;
  rest: RestOptions;
  /** Name in the page's address, or null. */
  wishedAgent: string | null;
  wishedSeat: SeatFields;
  /** Taken up by the first call. */
  invitation: Invitation | null;
  autojoin: boolean;
}

const STATE_WORDS: Record<CallStateName, string> = {
  idle: 'Ready',
  joining: 'Joining',
  connected: 'Connected',
  reconnecting: 'Coming back',
  ended: 'Call ended',
  failed: 'Not connected',
};

export function App({ call, rest, wishedAgent, wishedSeat, invitation, autojoin }: AppProps) {
  const view = useCallView(call);
  const directory = useDirectory(rest);
  const [levels] = useState(() => new Levels());
  const [picked, setPicked] = useState<string | null>(wishedAgent);
  const [fields, setFields] = useState<SeatFields>(wishedSeat);
  const [seatProblem, setSeatProblem] = useState<SeatProblem | null>(null);
  const chosen = choose(directory, picked);
  const { state } = view;
  const inCall = isLive(state) || state.name === 'ended' || view.connectedAtMs !== null;
  const [invited, setInvited] = useState(invitation);
  // Who was invited need not find the agent in the list: it may be one that wants a key.
  const agentTitle = titleOf(view, directory, chosen) ?? (invited && 'Your call');
  const notBeforeMs = useNotBefore(state.name === 'failed' ? state.failure : null);

  const join = () => {
    const former = inCall && 'agent' in state ? (view.agent?.name ?? state.agent) : null;
    const agent = former ?? chosen ?? wishedAgent ?? (invited && '');
    if (agent === null) return;
    const seat = seatOf(fields);
    const problem = seat !== null && 'words' in seat ? seat : null;
    setSeatProblem(problem);
    if (problem !== null) {
      focusField(problem);
      return;
    }
    levels.wake();
    const options = { seat: seat !== null && !('words' in seat) ? seat : null, invitation: invited };
    setInvited(null);
    void call.join(agent, options);
  };
  const joinAs = useRef(join);
  joinAs.current = join;
  useAutojoin(autojoin && (wishedAgent !== null || invitation !== null), joinAs);
  useKeptFocus(state.name);

  return (
    <div className="page">
      <header className="top">
        <p className="brand">
          <BrandMark />
          Antipode
        </p>
        <p className="state" role="status" data-testid="call-state" data-state={state.name}>
          {state.name === 'idle' && agentTitle === null ? 'Not connected' : STATE_WORDS[state.name]}
        </p>
      </header>
      <main className="columns" data-in-call={inCall || undefined}>
        <div className="column column-stage">
          <Stage
            call={call}
            view={view}
            levels={levels}
            agentTitle={agentTitle}
            roomName={view.room?.room ?? (fields.room.trim() || null)}
            emptyTitle={emptyTitle(directory)}
            notBeforeMs={notBeforeMs}
            onJoin={join}
          />
          {view.room && isLive(state) && (
            <PeoplePanel
              call={call}
              view={view}
              room={view.room}
              link={linkTo(view.room.room, 'agent' in state ? state.agent : null)}
            />
          )}
          {inCall && <Background view={view} />}
        </div>
        <div className="column column-talk">
          <AgentAudio stream={view.agentStream} levels={levels} />
          {view.room && <RoomAudio room={view.room} />}
          {state.name === 'failed' && <FailureBanner failure={state.failure} />}
          {inCall ? (
            <Conversation call={call} view={view} agentTitle={agentTitle ?? 'the agent'} />
          ) : (
            <Lobby
              directory={directory}
              chosen={chosen}
              wished={picked}
              failed={state.name === 'failed'}
              onChoose={setPicked}
            >
              <RoomChoice
                fields={fields}
                problem={seatProblem}
                onChange={(changed) => {
                  setFields(changed);
                  setSeatProblem(null);
                }}
              />
            </Lobby>
          )}
        </div>
      </main>
    </div>
  );
}

/** Beside a call: where it runs, what it cost and what the agent says of itself. */
function Background({ view }: { view: CallView }) {
  const backboneRttMs = view.turns.findLast((turn) => turn.timeline.backboneRttMs !== null)?.timeline.backboneRttMs;
  return (
    <>
      <Notices notices={view.notices} />
      {view.placement && (
        <RoutePanel
          placement={view.placement}
          movedOn={view.movedOn}
          network={view.network}
          backboneRttMs={backboneRttMs ?? null}
        />
      )}
      {view.usage && <CostPanel usage={view.usage} over={!isLive(view.state)} />}
    </>
  );
}

function Conversation({ call, view, agentTitle }: { call: Call; view: CallView; agentTitle: string }) {
  const { state } = view;
  return (
    <>
      {state.name === 'reconnecting' && <ReconnectingBanner state={state} />}
      {view.microphoneProblem && (
        <MicrophoneBanner failure={view.microphoneProblem} onReopen={() => void call.reopenMicrophone()} />
      )}
      <EndBanner view={view}>
        <ChooseAnother call={call} />
      </EndBanner>
      {state.name === 'failed' && <ChooseAnother call={call} />}
      <section className="panel talk" aria-label="Conversation">
        <Transcript view={view} agentTitle={agentTitle} />
        {isLive(state) && <Composer call={call} agentTitle={agentTitle} enabled={state.name !== 'joining'} />}
      </section>
      <TurnsPanel records={view.turns} moments={view.moments} />
    </>
  );
}

function ChooseAnother({ call }: { call: Call }) {
  return (
    <button type="button" className="plain-button" data-testid="choose-another" onClick={() => call.dismiss()}>
      Choose another agent
    </button>
  );
}

interface LobbyProps {
  directory: Directory;
  chosen: string | null;
  wished: string | null;
  /** A failed call already says what is wrong. */
  failed: boolean;
  onChoose: (name: string) => void;
  /** What there is to choose beside the agent. */
  children: ReactNode;
}

function Lobby({ directory, chosen, wished, failed, onChoose, children }: LobbyProps) {
  const { agents, failure, reload } = directory;
  const unknown: Failure | null =
    agents !== null && wished !== null && chosen === null
      ? { code: 'ERR_AGENT_UNKNOWN', message: wished, retryable: false, retryAfterMs: null }
      : null;
  return (
    <>
      {failure && !failed && <FailureBanner failure={failure} onReload={reload} />}
      {unknown && !failed && <FailureBanner failure={unknown} />}
      {!(failure && agents === null) && <AgentChoice agents={agents} chosen={chosen} onChoose={onChoose} />}
      {agents !== null && children}
    </>
  );
}

/**
 * The agent that the big button calls: the one picked, none for a wrong wish; before anything is picked, the one that
 * has most to offer to a newcomer, by its examples.
 */
function choose(directory: Directory, picked: string | null): string | null {
  const { agents } = directory;
  if (agents === null) return null;
  if (picked === null) return agents.toSorted((a, b) => b.examples.length - a.examples.length)[0]?.name ?? null;
  return agents.some((agent) => agent.name === picked) ? picked : null;
}

function emptyTitle(directory: Directory): string {
  if (directory.agents !== null) return 'Choose an agent';
  return directory.failure === null ? 'One moment' : 'Nobody to call yet';
}

function titleOf(view: CallView, directory: Directory, chosen: string | null): string | null {
  const { state } = view;
  if (view.agent && state.name !== 'idle') return view.agent.title;
  const name = 'agent' in state && isLive(state) ? state.agent : chosen;
  return directory.agents?.find((agent) => agent.name === name)?.title ?? null;
}

/** performance.now() from which on the server may be asked again after this failure. */
function useNotBefore(failure: Failure | null): number | null {
  const [known, setKnown] = useState<{ failure: Failure | null; atMs: number | null }>({ failure: null, atMs: null });
  if (known.failure === failure) return known.atMs;
  const waitMs = failure?.retryAfterMs ?? null;
  const next = { failure, atMs: waitMs === null ? null : performance.now() + waitMs };
  setKnown(next);
  return next.atMs;
}

/** Joins once, as soon as it may. */
function useAutojoin(ready: boolean, join: RefObject<() => void>): void {
  const done = useRef(false);
  useEffect(() => {
    if (!ready || done.current) return;
    done.current = true;
    join.current();
  }, [ready, join]);
}

/** The field that is to be filled in differently gets the focus, once it is in sight. */
function focusField({ field }: SeatProblem): void {
  const choice = document.querySelector<HTMLDetailsElement>('[data-testid=room-choice]');
  if (choice) choice.open = true;
  document.querySelector<HTMLElement>(`[data-testid=seat-${field}]`)?.focus();
}

/** This page's address for somebody who should come into the room. */
function linkTo(room: string, agent: string | null): string {
  const query = new URLSearchParams({ room, ...(agent && { agent }) });
  return `${window.location.origin}${window.location.pathname}?${query}`;
}

/**
 * When the button with the focus goes away with its state, the heading above its successor gets it: keyboards stay in
 * place, and an Enter that is held too long does not hang up what it has just called.
 */
function useKeptFocus(state: CallStateName): void {
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new state is what takes buttons away
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const focused = document.activeElement;
    if (focused && focused !== document.body) return;
    document.querySelector<HTMLElement>('[data-keep-focus]')?.focus({ preventScroll: true });
  }, [state]);
}
