/** Who should answer: the agents as a group of radio buttons, each with what it does and what it honestly can't. */
import type { AgentDescription } from '../../../src/registry/registry.ts';
import { Notices } from './notices.tsx';

interface AgentChoiceProps {
  agents: readonly AgentDescription[] | null;
  chosen: string | null;
  onChoose: (name: string) => void;
}

export function AgentChoice({ agents, chosen, onChoose }: AgentChoiceProps) {
  if (agents === null) return <p className="quiet">Asking the server who is there…</p>;
  return (
    <fieldset className="choice" data-testid="agents">
      <legend>Who should answer?</legend>
      {agents.map((agent) => (
        <label key={agent.name} className="agent" data-chosen={agent.name === chosen || undefined}>
          <input
            type="radio"
            name="agent"
            value={agent.name}
            checked={agent.name === chosen}
            onChange={() => onChoose(agent.name)}
          />
          <span className="agent-text">
            <span className="agent-title">{agent.title}</span>
            <span className="agent-description">{agent.description}</span>
          </span>
        </label>
      ))}
      <ChosenAgent agent={agents.find((agent) => agent.name === chosen)} />
    </fieldset>
  );
}

function ChosenAgent({ agent }: { agent: AgentDescription | undefined }) {
  if (!agent) return null;
  return (
    <div className="chosen">
      <Notices notices={agent.notices} />
      {agent.examples.length > 0 && (
        <>
          <h2 className="chosen-heading">Things to say to {agent.title}</h2>
          <Examples examples={agent.examples} />
        </>
      )}
    </div>
  );
}

export function Examples({ examples }: { examples: readonly string[] }) {
  return (
    <ul className="examples">
      {examples.map((example) => (
        <li key={example}>
          <q>{example}</q>
        </li>
      ))}
    </ul>
  );
}
