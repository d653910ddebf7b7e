/** Somebody's picture, for as long as pictures come: a stream that goes quiet has no event that would say so. */
import { useEffect, useRef, useState } from 'react';

/** Without a new picture for so long there is none. */
const STALE_MS = 1_500;

interface TileProps {
  stream: MediaStream;
  name: string;
  /** One's own picture is shown as a mirror shows it. */
  own?: boolean;
  speaking: boolean;
}

export function Tile({ stream, name, own = false, speaking }: TileProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [live, setLive] = useState(own);

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    element.srcObject = stream;
    // A muted video needs no gesture; without one it shows nothing, and the tile stays away.
    element.play().catch(() => setLive(false));
    if (own) return;
    let stale: ReturnType<typeof setTimeout> | undefined;
    let request = 0;
    const seen = () => {
      setLive(true);
      clearTimeout(stale);
      stale = setTimeout(() => setLive(false), STALE_MS);
      request = element.requestVideoFrameCallback(seen);
    };
    request = element.requestVideoFrameCallback(seen);
    return () => {
      element.cancelVideoFrameCallback(request);
      clearTimeout(stale);
    };
  }, [stream, own]);

  return (
    <figure className="tile" data-testid="tile" data-name={name} data-live={live} data-speaking={speaking || undefined}>
      <video ref={video} muted playsInline autoPlay data-own={own || undefined} aria-label={`Video of ${name}`} />
      <figcaption>{name}</figcaption>
    </figure>
  );
}
