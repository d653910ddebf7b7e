/** Where the time of each turn went: one bar a turn, the newest unfolded into a waterfall of its parts. */

import type { TurnRecord, Waterfall } from '../client/turns.ts';
import { axisMs, GUIDES_MS, grade, medianTotalMs, type Part, type PartName, waterfall } from '../client/turns.ts';
import { milliseconds, roundTrip } from './milliseconds.ts';

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

export function TurnsPanel({ records }: { records: readonly TurnRecord[] }) {
  const falls = records.map(waterfall);
  const axis = axisMs(falls);
  const spoken = falls.filter((fall) => fall.spoken);
  const median = medianTotalMs(spoken);
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
      {falls.length === 0 && (
        <p className="quiet">After each answer you see here what it took, from your last sound to the agent’s first.</p>
      )}
      <ol className="turn-list" data-testid="turns">
        {falls.toReversed().map((fall, index) => (
          <Turn key={fall.turn} fall={fall} record={records.at(-1 - index)!} axis={axis} open={index === 0} />
        ))}
      </ol>
    </section>
  );
}

interface TurnProps {
  fall: Waterfall;
  record: TurnRecord;
  axis: number;
  open: boolean;
}

function Turn({ fall, record, axis, open }: TurnProps) {
  return (
    <li data-turn={fall.turn} data-interrupted={fall.interrupted}>
      <details className="turn" open={open}>
        <summary>
          <span className="turn-name">Turn {fall.turn}</span>
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
