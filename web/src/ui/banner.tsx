/** What stands above a call: a failure, an end, a line that is coming back, a microphone that is gone. */
import type { ReactNode } from 'react';
import type { CallState } from '../client/call-state.ts';
import type { CallView } from '../client/call-view.ts';
import type { Failure } from '../client/failure.ts';
import { endWords, failureWords } from '../client/failure-words.ts';
import { InfoIcon, WarningIcon } from './icons.tsx';
import { useNow } from './use-call.ts';

export function FailureBanner({ failure, onReload }: { failure: Failure; onReload?: (() => void) | undefined }) {
  const words = failureWords(failure);
  return (
    <div className="banner banner-trouble" role="alert" data-testid="error" data-code={failure.code}>
      <WarningIcon />
      <div>
        <h2>{words.title}</h2>
        <p>{words.advice}</p>
        {onReload && (
          <button type="button" className="plain-button" onClick={onReload}>
            Ask the server again
          </button>
        )}
        {!onReload && words.action === 'reload' && (
          <button type="button" className="plain-button" onClick={() => window.location.reload()}>
            Reload the page
          </button>
        )}
        <details className="banner-details">
          <summary>Details for whoever runs this service</summary>
          <code>
            {failure.code}
            {failure.message && `: ${failure.message}`}
          </code>
        </details>
      </div>
    </div>
  );
}

export function MicrophoneBanner({ failure, onReopen }: { failure: Failure; onReopen: () => void }) {
  const words = failureWords(failure);
  return (
    <div className="banner banner-trouble" role="alert" data-testid="error" data-code={failure.code}>
      <WarningIcon />
      <div>
        <h2>{words.title}</h2>
        <p>{words.advice}</p>
        <button type="button" className="plain-button" onClick={onReopen}>
          Use a microphone again
        </button>
      </div>
    </div>
  );
}

export function EndBanner({ view, children }: { view: CallView; children: ReactNode }) {
  if (view.state.name !== 'ended') return null;
  const { end } = view.state;
  const words = endWords(end);
  const lengthMs = view.connectedAtMs === null || view.endedAtMs === null ? null : view.endedAtMs - view.connectedAtMs;
  return (
    <div className={`banner banner-${words.tone}`} role="status" data-testid="ended" data-code={end.code}>
      {words.tone === 'trouble' ? <WarningIcon /> : <InfoIcon />}
      <div>
        <h2>{words.title}</h2>
        <p>
          {words.advice}
          {lengthMs !== null && ` The call took ${duration(lengthMs)}.`}
        </p>
        {children}
        {words.tone === 'trouble' && (
          <details className="banner-details">
            <summary>Details for whoever runs this service</summary>
            <code>
              {end.code}
              {end.reason && `: ${end.reason}`}
            </code>
          </details>
        )}
      </div>
    </div>
  );
}

type Reconnecting = Extract<CallState, { name: 'reconnecting' }>;

export function ReconnectingBanner({ state }: { state: Reconnecting }) {
  const now = useNow(true);
  const goneSeconds = Math.max(0, Math.floor((now - state.lostAtMs) / 1_000));
  const leftSeconds = Math.max(0, Math.ceil((state.deadlineMs - now) / 1_000));
  const soundIsUp = state.media === 'up';
  return (
    <div
      className="banner banner-wait"
      data-testid="reconnecting"
      data-signaling={state.signaling}
      data-media={state.media}
    >
      <WarningIcon />
      <div>
        <h2 role="status">
          {soundIsUp ? 'The connection dropped and is coming back' : 'The sound broke off and is coming back'}
        </h2>
        <p>
          {soundIsUp
            ? 'You can go on talking as long as your voices get through. Your way in is tried again, and others with it.'
            : 'Please wait a moment: you can’t hear each other just now. The agent waits for you and goes on where it was.'}
        </p>
        <p className="figures">
          Gone for {goneSeconds} s{state.attempt > 0 && <> · attempt {state.attempt}</>} · the call is held for another{' '}
          {leftSeconds} s
        </p>
      </div>
    </div>
  );
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
