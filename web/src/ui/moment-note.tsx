/** One moment of a call in a line: a tool with its state and time, a sound over the agent, or what else happened. */

import { duration } from '../client/milliseconds.ts';
import { type Moment, momentWords, spokenMoment } from '../client/moments.ts';
import { InfoIcon, PauseIcon, ToolIcon } from './icons.tsx';

export function MomentNote({ moment, inRoom = false }: { moment: Moment; inRoom?: boolean }) {
  if (moment.kind === 'interruption') {
    return (
      <p className="moment" data-kind="interruption" data-outcome={moment.outcome}>
        <PauseIcon />
        <span>{momentWords(moment, inRoom)}</span>
      </p>
    );
  }
  if (moment.kind !== 'tool') {
    return (
      <p className="moment" data-kind={moment.kind} data-reason={moment.kind === 'moved' ? moment.reason : undefined}>
        <InfoIcon />
        <span className="figures">{spokenMoment(moment)}</span>
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
