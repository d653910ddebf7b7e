/**
 * The dial: a compass ring whose western half is the caller and whose eastern half is the agent. Each half lights up
 * from its pole by the loudness of its voice, so it is level meter and speaker display in one. Drawn outside React,
 * once a frame.
 */
import { type ReactNode, useEffect, useRef } from 'react';
import type { CallView } from '../client/call-view.ts';
import type { Levels } from './levels.ts';

interface DialProps {
  view: CallView;
  levels: Levels;
  /** What stands in the middle. */
  children: ReactNode;
}

/** Of 100 along a half ring. */
const FULL = 96;
/** A meter falls slower than it rises. Share of the way per frame. */
const RISE = 0.55;
const FALL = 0.14;
const REDUCED_FRAME_MS = 150;
const METER_UPDATE_MS = 1_000;

/** A tick every 3 degrees, a longer one every 30, as on a compass. */
const TICKS = Array.from({ length: 120 }, (_, index) => {
  const angle = (index * 3 * Math.PI) / 180;
  const at = (radius: number) =>
    `${(200 + radius * Math.cos(angle)).toFixed(2)} ${(200 + radius * Math.sin(angle)).toFixed(2)}`;
  return `M${at(161)}L${at(index % 10 === 0 ? 187 : 179)}`;
}).join('');

/** Light `length` of 100 around the middle of an arc. */
function light(arc: SVGPathElement | null, length: number): void {
  if (!arc) return;
  // A dash without length would still leave a dot.
  arc.setAttribute('visibility', length < 0.5 ? 'hidden' : 'visible');
  arc.setAttribute('stroke-dasharray', `${length.toFixed(1)} 200`);
  arc.setAttribute('stroke-dashoffset', (length / 2 - 50).toFixed(1));
}

/** Length of the agent's arc when no sound decides it: the agent thinks, or the call is being set up. */
function waitingLength(view: CallView, nowMs: number, calm: boolean): number | null {
  const waits = view.state.name === 'joining' || view.agentState === 'thinking';
  if (!waits) return null;
  return calm ? 16 : 14 + 8 * Math.sin(nowMs / 260);
}

export function Dial({ view, levels, children }: DialProps) {
  const callerArc = useRef<SVGPathElement>(null);
  const agentArc = useRef<SVGPathElement>(null);
  const meter = useRef<HTMLMeterElement>(null);
  const current = useRef(view);
  current.current = view;
  const live = view.state.name === 'joining' || view.state.name === 'connected' || view.state.name === 'reconnecting';

  useEffect(() => {
    levels.listen(view.microphoneStream, view.agentStream);
  }, [levels, view.microphoneStream, view.agentStream]);

  useEffect(() => {
    if (!live) return;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)');
    let frame = 0;
    let caller = 0;
    let agent = 0;
    let drawnAtMs = 0;
    let meterAtMs = 0;
    const draw = (nowMs: number) => {
      frame = requestAnimationFrame(draw);
      if (calm.matches && nowMs - drawnAtMs < REDUCED_FRAME_MS) return;
      drawnAtMs = nowMs;
      const read = levels.read();
      caller += (read.caller - caller) * (calm.matches ? 1 : read.caller > caller ? RISE : FALL);
      agent += (read.agent - agent) * (calm.matches ? 1 : read.agent > agent ? RISE : FALL);
      const agentLength = Math.max(agent * FULL, waitingLength(current.current, nowMs, calm.matches) ?? 0);
      light(callerArc.current, caller * FULL);
      light(agentArc.current, agentLength);
      if (nowMs - meterAtMs >= METER_UPDATE_MS) {
        meterAtMs = nowMs;
        if (meter.current) meter.current.value = Math.round(caller * 100);
      }
    };
    frame = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(frame);
      light(callerArc.current, 0);
      light(agentArc.current, 0);
    };
  }, [live, levels]);

  return (
    <div className="dial" data-live={live || undefined} data-muted={view.muted || undefined}>
      <svg className="dial-ring" viewBox="0 0 400 400" aria-hidden="true" focusable="false">
        <defs>
          <mask id="dial-ticks" maskUnits="userSpaceOnUse" x="0" y="0" width="400" height="400">
            <path d={TICKS} className="dial-ticks" />
          </mask>
        </defs>
        <circle cx="200" cy="200" r="150" className="dial-face" />
        <g mask="url(#dial-ticks)">
          <circle cx="200" cy="200" r="174" className="dial-base" />
          <path
            ref={callerArc}
            d="M200 374A174 174 0 0 1 200 26"
            pathLength={100}
            visibility="hidden"
            className="dial-arc dial-caller"
          />
          <path
            ref={agentArc}
            d="M200 374A174 174 0 0 0 200 26"
            pathLength={100}
            visibility="hidden"
            className="dial-arc dial-agent"
          />
        </g>
        <path d="M1 200l9-5.500v11z" className="dial-pole dial-pole-caller" />
        <path d="M399 200l-9-5.500v11z" className="dial-pole dial-pole-agent" />
      </svg>
      {live && (
        <meter
          ref={meter}
          className="visually-hidden"
          aria-label="Level of your microphone"
          min={0}
          max={100}
          value={0}
        />
      )}
      <div className="dial-center">{children}</div>
    </div>
  );
}
