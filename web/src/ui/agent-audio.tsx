/** The agent's voice: a plain audio element, and a button where the browser wants a gesture before it plays. */
import { useCallback } from 'react';
import { SpeakerIcon } from './icons.tsx';
import type { Levels } from './levels.ts';
import { usePlayed } from './use-played.ts';

export function AgentAudio({ stream, levels }: { stream: MediaStream | null; levels: Levels }) {
  const wake = useCallback(() => levels.wake(), [levels]);
  const { audio, blocked, play } = usePlayed(stream, wake);
  return (
    <>
      {/* biome-ignore lint/a11y/useMediaCaption: the transcript is the caption */}
      <audio ref={audio} autoPlay data-testid="agent-audio" />
      {blocked && (
        <div className="banner banner-wait" role="alert" data-testid="autoplay-blocked">
          <SpeakerIcon />
          <div>
            <h2>Your browser holds the sound back</h2>
            <p>It plays sound only after a click. The agent already hears you.</p>
            <button type="button" className="plain-button" data-testid="hear-agent" onClick={play}>
              Hear the agent
            </button>
          </div>
        </div>
      )}
    </>
  );
}
