/** Plays a stream on an audio element, again with the next gesture where the browser wants one first. */
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

interface Played {
  audio: RefObject<HTMLAudioElement | null>;
  /** The browser waits for a gesture. */
  blocked: boolean;
  play: () => void;
}

/** @param onPlay before each attempt to play */
export function usePlayed(stream: MediaStream | null, onPlay?: () => void): Played {
  const audio = useRef<HTMLAudioElement>(null);
  const [blocked, setBlocked] = useState(false);

  const play = useCallback(() => {
    onPlay?.();
    audio.current?.play().then(
      () => setBlocked(false),
      (error: DOMException) => setBlocked(error.name === 'NotAllowedError'),
    );
  }, [onPlay]);

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

  return { audio, blocked, play };
}
