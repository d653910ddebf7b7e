/** What a core needs of an agent host: the shape that AgentHost has and that a test can bring. Owns no behavior. */
import type { CallPorts } from '../agent/types.ts';
import type { AgentDescription } from '../registry/index.ts';

export interface RunningAgent {
  /** Settles when the agent is over; rejects when it failed. */
  readonly done: Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface AgentStarter {
  readonly agents: AgentDescription[];
  /** @throws ERR_AGENT_UNKNOWN */
  start(name: string, call: CallPorts): RunningAgent;
}
