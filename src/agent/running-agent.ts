/**
 * One agent on one call: puts what comes from the ear and the client into the chain and takes everything down when the
 * call ends. Knows no turn and no service.
 */
import { asAntipodeError } from '../errors.ts';
import type { AgentServices } from './agent-services.ts';
import type { AgentDefinition } from './define-agent.ts';
import { Scheduler } from './scheduler.ts';
import { chain } from './stage.ts';
import type { AgentCall } from './types.ts';

export interface RunningAgent {
  /** Resolves when every stage has let go. Never rejects. */
  readonly done: Promise<void>;
  /** Take it down, within 100 ms. Idempotent; the call itself is not hung up. */
  close(): Promise<void>;
}

/**
 * Start `definition` on `call`. An agent that cannot start hangs up with the reason. All of its code runs through
 * `within`, such as under the rule of a pinned session.
 */
export function runAgent(
  definition: AgentDefinition,
  call: AgentCall,
  services: AgentServices,
  within: <T>(work: () => T) => T = (work) => work(),
): RunningAgent {
  let resolveDone = () => {};
  const done = new Promise<void>((resolve) => {
    resolveDone = resolve;
  });

  const fail = (cause: unknown) => {
    const error = asAntipodeError(cause, 'ERR_AGENT_FAILED', 'The agent failed.');
    services.metrics.agentFailures.inc({ agent: definition.name });
    call.log.error({ err: error, agent: definition.name }, 'an agent failed');
    call.send({ type: 'notice', level: 'error', code: error.code, text: error.message });
    call.hangUp({ code: 'agent-failed', reason: error.message });
  };

  let scheduler: Scheduler;
  try {
    scheduler = new Scheduler({
      chain: chain(within(() => definition.pipeline(call, services))),
      run: within,
      clock: call.clock,
      log: call.log,
      slowStops: services.metrics.slowStops,
      onFailure: (error) => {
        fail(error);
        void close();
      },
    });
  } catch (error) {
    fail(error);
    resolveDone();
    return { done, close: async () => {} };
  }

  const stops = [
    call.ear.onFrame((audio) => scheduler.push({ kind: 'caller-audio', audio })),
    call.onMessage((message, speaker) => {
      if (message.type !== 'text') return;
      const atMs = call.clock.now();
      scheduler.push({ kind: 'caller-text', text: message.text, atMs, ...(speaker && { speaker }) });
    }),
  ];

  let over = false;
  const onAbort = () => void close();
  const close = (): Promise<void> => {
    call.signal.removeEventListener('abort', onAbort);
    for (const stop of stops.splice(0)) stop();
    return scheduler.close().finally(() => {
      if (!over) call.observe({ type: 'call-ended', atMs: call.clock.now() });
      over = true;
      resolveDone();
    });
  };

  if (call.signal.aborted) void close();
  else call.signal.addEventListener('abort', onAbort, { once: true });
  call.observe({ type: 'call-started', atMs: call.clock.now() });
  scheduler.push({ kind: 'call-started', atMs: call.clock.now() });
  return { done, close };
}
