/** The agent's voice: a plain audio element, and a button where the browser wants a gesture before it plays. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { SpeakerIcon } from './icons.tsx';
import type { Levels } from './levels.ts';

export function AgentAudio({ stream, levels }: { stream: MediaStream | null; levels: Levels }) {
  const audio = useRef<HTMLAudioElement>(null);
  const [blocked, setBlocked] = useState(false);

  const play = useCallback(() => {
    levels.wake();
    audio.current?.play().then(
      () => setBlocked(false),
      (error: DOMException) => setBlocked(error.name === 'NotAllowedError'),
    );
  }, [levels]);

  useEffect(() => {
    if (!audio.current) return;
    audio.current.srcObject = stream;
    if (stream) play();
    else setBlocked(false);
  }, [stream, play]);

  // Any gesture will do, not only one on the button.
  useEffect(() => {
    if (!blocked) return;
    document.addEventListener('pointerdown', play);
    document.addEventListener('keydown', play);
    return () => {
      document.removeEventListener('pointerdown', play);
      document.removeEventListener('keydown', play);
    };
  }, [blocked, play]);

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
