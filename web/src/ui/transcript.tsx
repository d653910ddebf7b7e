/** What was said, by both sides, as it is said; and what is said to screen readers of it: finished lines only. */
import { Fragment, type RefObject, useEffect, useRef } from 'react';
import type { CallView, TranscriptLine } from '../client/call-view.ts';
import { type Moment, spokenMoment } from '../client/moments.ts';
import { Examples } from './agent-choice.tsx';
import { MomentNote } from './moment-note.tsx';

/** This close to the end counts as being at the end, px. */
const STICKY_PX = 48;

export function Transcript({ view, agentTitle }: { view: CallView; agentTitle: string }) {
  const scroller = useRef<HTMLElement>(null);
  useStickToEnd(scroller, view.transcript, view.moments);
  const moments = untold(view);
  const inRoom = view.room !== null;
  const lastFinal = view.transcript.findLast((line) => line.final);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section className="transcript-scroll" ref={scroller} tabIndex={0} aria-label="Transcript">
        {view.transcript.length === 0 && view.moments.length === 0 && <Opening view={view} />}
        <ol className="transcript" data-testid="transcript">
          <Moments moments={moments} afterLine={null} inRoom={inRoom} />
          {view.transcript.map((line) => (
            <Fragment key={line.id}>
              <Line line={line} agentTitle={agentTitle} inRoom={inRoom} />
              <Moments moments={moments} afterLine={line.id} inRoom={inRoom} />
            </Fragment>
          ))}
        </ol>
      </section>
      <div className="visually-hidden" role="log" aria-live="polite" aria-label="Newest line">
        {lastFinal && `${speakerOf(lastFinal, agentTitle)}: ${lastFinal.text}`}
      </div>
      <div className="visually-hidden" role="status" data-testid="moment-status">
        {view.moments.length > 0 && spokenMoment(view.moments.at(-1)!, inRoom)}
      </div>
    </>
  );
}

function Line({ line, agentTitle, inRoom }: { line: TranscriptLine; agentTitle: string; inRoom: boolean }) {
  const who = inRoom ? 'Somebody' : 'You';
  return (
    <li
      className="line"
      data-role={line.role}
      data-other={line.speaker ?? undefined}
      data-final={line.final}
      data-interrupted={line.interrupted}
      aria-busy={!line.final || undefined}
    >
      <span className="line-speaker">{speakerOf(line, agentTitle)}</span>
      {line.text !== '' && <p className="line-text">{line.text}</p>}
      {line.interrupted && (
        <p className="line-cut">{line.text === '' ? `${who} cut in before a word was heard` : `${who} cut in here`}</p>
      )}
    </li>
  );
}

/** The moments without those that a line of the transcript tells already: where it was cut off. */
function untold(view: CallView): Moment[] {
  const cut = new Set(view.transcript.filter((line) => line.interrupted).map((line) => line.turn));
  return view.moments.filter(
    (moment) => !(moment.kind === 'interruption' && moment.outcome === 'confirmed' && cut.has(moment.turn)),
  );
}

/** What happened after a line and before the next one. */
function Moments(props: { moments: readonly Moment[]; afterLine: string | null; inRoom: boolean }) {
  const { moments, afterLine, inRoom } = props;
  return moments
    .filter((moment) => moment.afterLine === afterLine)
    .map((moment) => (
      <li key={moment.key} className="moment-line" data-moment={moment.kind}>
        <MomentNote moment={moment} inRoom={inRoom} />
      </li>
    ));
}

function speakerOf({ role, speaker }: TranscriptLine, agentTitle: string): string {
  return role === 'agent' ? agentTitle : (speaker ?? 'You');
}

function Opening({ view }: { view: CallView }) {
  const examples = view.agent?.examples ?? [];
  const joining = view.state.name === 'joining';
  return (
    <div className="opening">
      <p>{joining ? 'What you both say will appear here.' : 'You can speak now. What you both say appears here.'}</p>
      {examples.length > 0 && (
        <>
          <p>Try:</p>
          <Examples examples={examples} />
        </>
      )}
    </div>
  );
}

/** Keep the newest line in sight, unless the reader has scrolled up to read. */
function useStickToEnd(
  scroller: RefObject<HTMLElement | null>,
  lines: readonly TranscriptLine[],
  moments: readonly Moment[],
): void {
  const atEnd = useRef(true);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const note = () => {
      atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < STICKY_PX;
    };
    element.addEventListener('scroll', note, { passive: true });
    return () => element.removeEventListener('scroll', note);
  }, [scroller]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are what there is to follow
  useEffect(() => {
    const element = scroller.current;
    if (element && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [scroller, lines, moments]);
}
