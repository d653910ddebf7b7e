/** One moment of a call in a line: a tool with its state and time, or a sound over the agent. */
import { type Moment, momentWords } from '../client/moments.ts';
import { InfoIcon, PauseIcon, ToolIcon } from './icons.tsx';
import { duration } from './milliseconds.ts';

export function MomentNote({ moment }: { moment: Moment }) {
  if (moment.kind === 'interruption') {
    return (
      <p className="moment" data-kind="interruption" data-outcome={moment.outcome}>
        <PauseIcon />
        <span>{momentWords(moment)}</span>
      </p>
    );
  }
  if (moment.kind === 'moved' || moment.kind === 'came-back') {
    return (
      <p className="moment" data-kind={moment.kind}>
        <InfoIcon />
        <span>
          {momentWords(moment)}
          {moment.gapMs !== null && <span className="figures"> {duration(moment.gapMs)}</span>}
        </span>
      </p>
    );
  }
  return (
    <p className="moment" data-kind="tool" data-state={moment.state}>
      <ToolIcon />
      <span>
        <span className="visually-hidden">Tool </span>
        <code>{moment.name}</code> {momentWords(moment)}
      </span>
      {moment.tookMs !== null && <span className="figures moment-time">{duration(moment.tookMs)}</span>}
    </p>
  );
}
