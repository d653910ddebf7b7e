/** Agents for the core's tests: `echo` says what it hears, `broken` throws at its start, `failing` on demand. */
import type { CallPorts } from '../../../src/agent/types.ts';
import type { AgentStarter, RunningAgent } from '../../../src/core/index.ts';
import { agentNamed } from '../../support/nodes.ts';

export class ScriptedAgents implements AgentStarter {
  readonly agents = ['echo', 'broken', 'failing', 'stubborn'].map(agentNamed);
  /** The calls that were started, by session. */
  readonly calls = new Map<string, CallPorts>();
  readonly starts: string[] = [];
  readonly closed: string[] = [];
  readonly #fail = new Map<string, (error: Error) => void>();

  start(name: string, call: CallPorts): RunningAgent {
    this.starts.push(`${name} ${call.sessionId}`);
    this.calls.set(call.sessionId, call);
    if (name === 'broken') throw new Error('broken from the start');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#fail.set(call.sessionId, reject);
    if (name === 'echo') {
      const utterance = call.mouth.open();
      call.ear.onFrame((frame) => call.mouth.write(utterance, frame.pcm, call.ear.sampleRate));
    }
    return {
      done: promise,
      close: async () => {
        this.closed.push(call.sessionId);
        if (name === 'stubborn') await new Promise(() => {});
        resolve();
      },
    };
  }

  call(sessionId: string): CallPorts {
    const call = this.calls.get(sessionId);
    if (!call) throw new Error(`no agent was started for ${sessionId}`);
    return call;
  }

  fail(sessionId: string, error: Error): void {
    this.#fail.get(sessionId)?.(error);
  }
}
