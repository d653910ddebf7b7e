/**
 * What happens beside the words of a call: tools that the agent uses, sounds over the agent with what became of them,
 * machines and POPs that were changed under it, people who come and go. Pure; each stands after the line of the transcript that was the newest when it began.
 */
import type { ClientEvent } from '../../../src/agent/client-events.ts';
import { duration } from './milliseconds.ts';

type ToolEvent = Extract<ClientEvent, { type: 'tool' }>;
type InterruptionEvent = Extract<ClientEvent, { type: 'interruption' }>;
type MovedEvent = Extract<ClientEvent, { type: 'moved' }>;

interface Placed {
  /** Stable for the whole call. */
  key: string;
  turn: number;
  /** Id of a line of the transcript; null before the first. */
  afterLine: string | null;
}

export interface ToolMoment extends Placed {
  kind: 'tool';
  name: string;
  state: ToolEvent['state'];
  /** Null while it runs. */
  tookMs: number | null;
}

export interface InterruptionMoment extends Placed {
  kind: 'interruption';
  outcome: InterruptionEvent['outcome'];
}

/** The agent's machine was left, and another went on. */
export interface MovedMoment extends Placed {
  kind: 'moved';
  reason: MovedEvent['reason'];
  gapMs: number;
}

/** The caller was lost, or sent away, and came back by another POP. */
export interface CameBackMoment extends Placed {
  kind: 'came-back';
  /** Of the POP. */
  region: string;
  /** The former POP asked for it. */
  sentAway: boolean;
  /** Without sound; null when there was no such time. */
  gapMs: number | null;
}

/** In a room: somebody came or left, or somebody who may do so silenced this caller. */
export interface CompanyMoment extends Placed {
  kind: 'company';
  what: 'came' | 'left' | 'silenced';
  name: string;
}

export type Moment = ToolMoment | InterruptionMoment | MovedMoment | CameBackMoment | CompanyMoment;

/** A second event of a tool replaces the first, in its place. */
export function withTool(moments: readonly Moment[], event: ToolEvent, afterLine: string | null): Moment[] {
  const key = `tool-${event.turn}-${event.id}`;
  const { turn, name, state, tookMs } = event;
  const known = moments.findIndex((moment) => moment.key === key);
  const moment: ToolMoment = { kind: 'tool', key, turn, name, state, tookMs, afterLine };
  if (known === -1) return [...moments, moment];
  return moments.with(known, { ...moment, afterLine: moments[known]!.afterLine });
}

/** What became of a pause replaces the pause. */
export function withInterruption(
  moments: readonly Moment[],
  event: InterruptionEvent,
  afterLine: string | null,
): Moment[] {
  const { turn, outcome } = event;
  const open = moments.findLastIndex(
    (moment) => moment.kind === 'interruption' && moment.turn === turn && moment.outcome === 'paused',
  );
  if (open !== -1) {
    return moments.with(open, { ...(moments[open] as InterruptionMoment), outcome });
  }
  const count = moments.filter((moment) => moment.kind === 'interruption' && moment.turn === turn).length;
  return [...moments, { kind: 'interruption', key: `interruption-${turn}-${count}`, turn, outcome, afterLine }];
}

/** The agent is on another machine. */
export function withMoved(moments: readonly Moment[], event: MovedEvent, afterLine: string | null): Moment[] {
  const { reason, gapMs } = event;
  return [...moments, { kind: 'moved', key: newKey('moved', moments), turn: 0, reason, gapMs, afterLine }];
}

/** The caller is at another POP, and sound flows. */
export function withCameBack(
  moments: readonly Moment[],
  { region, gapMs, sentAway }: Pick<CameBackMoment, 'region' | 'gapMs' | 'sentAway'>,
  afterLine: string | null,
): Moment[] {
  const placed = { key: newKey('came-back', moments), turn: 0, afterLine };
  return [...moments, { kind: 'came-back', ...placed, region, gapMs, sentAway }];
}

export function withCompanyMoment(
  moments: readonly Moment[],
  { what, name }: Pick<CompanyMoment, 'what' | 'name'>,
  afterLine: string | null,
): Moment[] {
  return [...moments, { kind: 'company', key: newKey('company', moments), turn: 0, what, name, afterLine }];
}

function newKey(kind: Moment['kind'], moments: readonly Moment[]): string {
  const last = moments.findLast((moment) => moment.kind === kind);
  return `${kind}-${last === undefined ? 0 : Number(last.key.slice(kind.length + 1)) + 1}`;
}

/** The agent has fallen silent for a sound and has not gone on yet. */
export function isPaused(moments: readonly Moment[]): boolean {
  const last = moments.findLast((moment) => moment.kind === 'interruption');
  return last?.outcome === 'paused';
}

/** Tools that run now, by their names. */
export function runningTools(moments: readonly Moment[]): string[] {
  return moments.flatMap((moment) => (moment.kind === 'tool' && moment.state === 'running' ? [moment.name] : []));
}

const TOOL_WORDS: Record<Exclude<ToolEvent['state'], 'running'>, string> = {
  ok: 'done',
  failed: 'failed',
  'timed-out': 'took too long',
  'unknown-tool': 'does not exist',
  'invalid-arguments': 'was called wrongly',
  cancelled: 'was cancelled',
};

const INTERRUPTION_WORDS: Record<InterruptionEvent['outcome'], string> = {
  paused: 'Paused: you made a sound',
  confirmed: 'Cut off: you spoke',
  rejected: 'Went on: the sound was not for the agent',
};

/** Where others might have been it. */
const ROOM_INTERRUPTION_WORDS: Record<InterruptionEvent['outcome'], string> = {
  paused: 'Paused: somebody made a sound',
  confirmed: 'Cut off: somebody spoke',
  rejected: INTERRUPTION_WORDS.rejected,
};

const MOVED_WORDS: Record<MovedEvent['reason'], string> = {
  'core-lost': 'The agent’s machine was lost; another went on',
  'core-shutdown': 'The agent’s machine was stopped; another went on',
  drain: 'The agent’s machine is being emptied; another went on',
  order: 'The agent was moved to another machine and went on',
  placement: 'The agent was moved to a better place and went on',
};

const COMPANY_WORDS: Record<CompanyMoment['what'], (name: string) => string> = {
  came: (name) => `${name} is here`,
  left: (name) => `${name} has left`,
  silenced: () => 'You were muted by somebody who moderates; unmute when you want to be heard',
};

/** What to say of it, without the time that it took. `inRoom`: others are there. */
export function momentWords(moment: Moment, inRoom = false): string {
  switch (moment.kind) {
    case 'interruption':
      return (inRoom ? ROOM_INTERRUPTION_WORDS : INTERRUPTION_WORDS)[moment.outcome];
    case 'moved':
      return MOVED_WORDS[moment.reason];
    case 'came-back':
      return moment.sentAway
        ? `Your way in was closed; the call goes on by ${moment.region}`
        : `You came back by ${moment.region}`;
    case 'company':
      return COMPANY_WORDS[moment.what](moment.name);
    case 'tool':
      return moment.state === 'running' ? 'is running' : TOOL_WORDS[moment.state];
  }
}

/** A moment as a sentence with its gap, if something was missing for a time. */
export function spokenMoment(moment: Moment, inRoom = false): string {
  const words = momentWords(moment, inRoom);
  if (moment.kind === 'tool') return `Tool ${moment.name} ${words}`;
  const gapMs = moment.kind === 'moved' || moment.kind === 'came-back' ? moment.gapMs : null;
  return gapMs === null || gapMs === 0 ? words : `${words} after ${duration(gapMs)}`;
}
