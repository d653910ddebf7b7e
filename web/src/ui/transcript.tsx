/** What was said, by both sides, as it is said; and what is said to screen readers of it: finished lines only. */
import { type RefObject, useEffect, useRef } from 'react';
import type { CallView, TranscriptLine } from '../client/call-view.ts';
import { Examples } from './agent-choice.tsx';

/** This close to the end counts as being at the end, px. */
const STICKY_PX = 48;

export function Transcript({ view, agentTitle }: { view: CallView; agentTitle: string }) {
  const scroller = useRef<HTMLElement>(null);
  useStickToEnd(scroller, view.transcript);
  const lastFinal = view.transcript.findLast((line) => line.final);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section className="transcript-scroll" ref={scroller} tabIndex={0} aria-label="Transcript">
        {view.transcript.length === 0 && <Opening view={view} />}
        <ol className="transcript" data-testid="transcript">
          {view.transcript.map((line) => (
            <Line key={line.id} line={line} agentTitle={agentTitle} />
          ))}
        </ol>
      </section>
      <div className="visually-hidden" role="log" aria-live="polite" aria-label="Newest line">
        {lastFinal && `${lastFinal.role === 'caller' ? 'You' : agentTitle}: ${lastFinal.text}`}
      </div>
    </>
  );
}

function Line({ line, agentTitle }: { line: TranscriptLine; agentTitle: string }) {
  return (
    <li
      className="line"
      data-role={line.role}
      data-final={line.final}
      data-interrupted={line.interrupted}
      aria-busy={!line.final || undefined}
    >
      <span className="line-speaker">{line.role === 'caller' ? 'You' : agentTitle}</span>
      {line.text !== '' && <p className="line-text">{line.text}</p>}
      {line.interrupted && (
        <p className="line-cut">{line.text === '' ? 'You cut in before a word was heard' : 'You cut in here'}</p>
      )}
    </li>
  );
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
function useStickToEnd(scroller: RefObject<HTMLElement | null>, lines: readonly TranscriptLine[]): void {
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
  }, [scroller, lines]);
}
