/** Where the time of each turn went: one bar a turn, the newest unfolded into a waterfall of its parts. */

import { milliseconds, roundTrip } from '../client/milliseconds.ts';
import type { Moment } from '../client/moments.ts';
import type { TurnRecord, Waterfall } from '../client/turns.ts';
import { axisMs, GUIDES_MS, grade, medianTotalMs, type Part, type PartName, waterfall } from '../client/turns.ts';
import { PauseIcon, ToolIcon } from './icons.tsx';
import { MomentNote } from './moment-note.tsx';

const PART_WORDS: Record<PartName, { label: string; hint: string }> = {
  endpointing: { label: 'Endpointing', hint: 'from your last sound to the decision that you have finished' },
  stt: { label: 'Speech to text', hint: 'from that decision to the final transcript' },
  llm: { label: 'Language model', hint: 'from the transcript to the first words of the reply' },
  tts: { label: 'Text to speech', hint: 'from the first words to the first sound' },
  mouth: { label: 'Mouth', hint: 'from the first sound to the first packet' },
  other: { label: 'Other', hint: 'time that no part accounts for' },
  network: { label: 'Network', hint: 'there and back: you to the POP, and the POP to the core' },
};

const GRADE_WORDS = { immediate: 'within 500 ms', natural: 'within 800 ms', late: 'over 800 ms' } as const;

interface TurnsPanelProps {
  records: readonly TurnRecord[];
  moments: readonly Moment[];
}

export function TurnsPanel({ records, moments }: TurnsPanelProps) {
  const falls = records.map(waterfall);
  const axis = axisMs(falls);
  const spoken = falls.filter((fall) => fall.spoken);
  const median = medianTotalMs(spoken);
  const rows = rowsOf(records, falls, moments);
  return (
    <section className="panel turns" aria-labelledby="turns-heading">
      <header className="panel-head">
        <h2 id="turns-heading">Time to answer</h2>
        {median !== null && (
          <p className="figures">
            median {milliseconds(median)} of {spoken.length} spoken {spoken.length === 1 ? 'turn' : 'turns'}
          </p>
        )}
      </header>
      {rows.length === 0 && (
        <p className="quiet">After each answer you see here what it took, from your last sound to the agent’s first.</p>
      )}
      <ol className="turn-list" data-testid="turns">
        {rows.map(({ turn, measured, moments }) =>
          measured === null ? (
            <PendingTurn key={turn} turn={turn} moments={moments} />
          ) : (
            <Turn key={turn} {...measured} moments={moments} axis={axis} open={measured.record === records.at(-1)} />
          ),
        )}
      </ol>
    </section>
  );
}

interface Row {
  turn: number;
  /** Null before the turn has become audible. */
  measured: { fall: Waterfall; record: TurnRecord } | null;
  moments: readonly Moment[];
}

/** Newest first: every turn that was measured, and the turns of which nothing else is known than what happens. */
function rowsOf(records: readonly TurnRecord[], falls: readonly Waterfall[], moments: readonly Moment[]): Row[] {
  const measured = new Map(falls.map((fall, index) => [fall.turn, { fall, record: records[index]! }]));
  const turns = new Set([...measured.keys(), ...moments.map((moment) => moment.turn)]);
  return [...turns]
    .sort((a, b) => b - a)
    .map((turn) => ({
      turn,
      measured: measured.get(turn) ?? null,
      moments: moments.filter((moment) => moment.turn === turn),
    }));
}

/** A turn whose answer is still being made. */
function PendingTurn({ turn, moments }: { turn: number; moments: readonly Moment[] }) {
  return (
    <li data-turn={turn} data-pending="true">
      <div className="turn-pending">
        <span className="turn-name">Turn {turn}</span>
        <TurnMoments moments={moments} />
      </div>
    </li>
  );
}

function TurnMoments({ moments }: { moments: readonly Moment[] }) {
  return (
    <ul className="turn-moments">
      {moments.map((moment) => (
        <li key={moment.key}>
          <MomentNote moment={moment} />
        </li>
      ))}
    </ul>
  );
}

/** In the folded turn: that there was a tool, that it was interrupted. */
function Marks({ moments }: { moments: readonly Moment[] }) {
  const tools = moments.filter((moment) => moment.kind === 'tool').length;
  const sound = moments.findLast((moment) => moment.kind === 'interruption');
  if (tools === 0 && sound === undefined) return null;
  return (
    <span className="turn-marks">
      {tools > 0 && (
        <span>
          <ToolIcon />
          <span className="visually-hidden">{tools === 1 ? ', a tool' : `, ${tools} tools`}</span>
        </span>
      )}
      {sound !== undefined && (
        <span data-outcome={sound.outcome}>
          <PauseIcon />
          <span className="visually-hidden">, a sound over it</span>
        </span>
      )}
    </span>
  );
}

interface TurnProps {
  fall: Waterfall;
  record: TurnRecord;
  moments: readonly Moment[];
  axis: number;
  open: boolean;
}

function Turn({ fall, record, moments, axis, open }: TurnProps) {
  return (
    <li data-turn={fall.turn} data-interrupted={fall.interrupted}>
      <details className="turn" open={open}>
        <summary>
          <span className="turn-name">
            Turn {fall.turn}
            <Marks moments={moments} />
          </span>
          <span className="turn-bar" aria-hidden="true">
            <Guides axis={axis} />
            {fall.parts.map((part) => (
              <Bar key={part.name} part={part} axis={axis} />
            ))}
          </span>
          <span className="turn-total figures" data-grade={fall.spoken ? grade(fall.totalMs) : undefined}>
            {milliseconds(fall.totalMs)}
            <span className="visually-hidden"> {GRADE_WORDS[grade(fall.totalMs)]}</span>
          </span>
        </summary>
        <table className="parts">
          <caption className="visually-hidden">Parts of turn {fall.turn}</caption>
          <colgroup>
            <col className="parts-name" />
            <col />
            <col className="parts-ms" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">
                <span className="visually-hidden">Part</span>
              </th>
              <td className="part-track scale figures" aria-hidden="true">
                {GUIDES_MS.map((guide) => (
                  <span key={guide} style={{ left: percent(guide, axis) }}>
                    {guide}
                  </span>
                ))}
              </td>
              <th scope="col">
                <span className="visually-hidden">Time</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {fall.parts.map((part) => (
              <tr key={part.name} data-part={part.name} title={PART_WORDS[part.name].hint}>
                <th scope="row">{PART_WORDS[part.name].label}</th>
                <td className="part-track" aria-hidden="true">
                  <Guides axis={axis} />
                  <Bar part={part} axis={axis} />
                </td>
                <td className="part-ms figures">{part.durationMs === null ? '–' : milliseconds(part.durationMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <TurnMoments moments={moments} />
        <p className="turn-note">{note(fall, record)}</p>
      </details>
    </li>
  );
}

function Guides({ axis }: { axis: number }) {
  return GUIDES_MS.map((guide) => <i key={guide} className="guide" style={{ left: percent(guide, axis) }} />);
}

function Bar({ part, axis }: { part: Part; axis: number }) {
  if (part.durationMs === null || part.durationMs === 0) return null;
  const style = { left: percent(part.startMs, axis), width: percent(part.durationMs, axis) };
  return <i className="bar" data-part={part.name} style={style} />;
}

function note(fall: Waterfall, record: TurnRecord): string {
  const legs = [
    record.callerRttMs === null ? 'you to the POP not measured' : `you to the POP ${roundTrip(record.callerRttMs)}`,
    record.timeline.backboneRttMs === null
      ? 'POP to core not measured'
      : `POP to core ${roundTrip(record.timeline.backboneRttMs)}`,
  ];
  const unspoken = fall.spoken ? '' : 'It answered no speech, so there was nothing to wait for or to transcribe. ';
  const missing = fall.networkComplete ? '' : ' The total lacks what was not measured.';
  const cut = fall.interrupted ? ' You interrupted this answer.' : '';
  return `${unspoken}Network: ${legs.join(', ')}, there and back.${missing}${cut}`;
}

function percent(ms: number, axis: number): string {
  return `${((ms / axis) * 100).toFixed(2)}%`;
}
