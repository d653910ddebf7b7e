/** React's view of the client: the call's current view, the list of agents, a ticking clock. */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { AgentDescription } from '../../../src/registry/registry.ts';
import type { Call } from '../client/call.ts';
import type { CallView } from '../client/call-view.ts';
import { asFailure, type Failure } from '../client/failure.ts';
import { listAgents, type RestOptions } from '../client/rest.ts';

export function useCallView(call: Call): CallView {
  return useSyncExternalStore(
    useCallback((listener) => call.subscribe(listener), [call]),
    () => call.view,
  );
}

export interface Directory {
  agents: readonly AgentDescription[] | null;
  failure: Failure | null;
  reload: () => void;
}

/** The agents that can be called; asked for once, and again by reload(). */
export function useDirectory(rest: RestOptions): Directory {
  const [round, setRound] = useState(0);
  const [agents, setAgents] = useState<readonly AgentDescription[] | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round is what asks again
  useEffect(() => {
    const aborter = new AbortController();
    listAgents(rest, aborter.signal).then(
      (list) => {
        setAgents(list);
        setFailure(null);
      },
      (error) => {
        if (!aborter.signal.aborted) setFailure(asFailure(error));
      },
    );
    return () => aborter.abort();
  }, [rest, round]);
  const reload = useCallback(() => setRound((value) => value + 1), []);
  return { agents, failure, reload };
}

/** performance.now() as of the last tick; ticks only while `running`. */
export function useNow(running: boolean, everyMs = 250): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!running) return;
    setNow(performance.now());
    const timer = setInterval(() => setNow(performance.now()), everyMs);
    return () => clearInterval(timer);
  }, [running, everyMs]);
  return now;
}
