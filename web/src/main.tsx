/** Starts the page: makes the call with the browser's own parts, wires what the browser tells, renders. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { z } from 'zod';
import { browserClock } from './client/browser-clock.ts';
import { Call } from './client/call.ts';
import { Camera } from './client/camera.ts';
import { Media } from './client/media.ts';
import { Microphone, microphonePermission } from './client/microphone.ts';
import { resourceTimingOf } from './client/ping-pops.ts';
import { PopProbes } from './client/pop-probes.ts';
import { ProbeCache, tabStorage } from './client/probe-cache.ts';
import { App } from './ui/app.tsx';
import { CrashGuard } from './ui/crash-guard.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/stage.css';
import './styles/talk.css';
import './styles/room.css';
import './styles/turns.css';
import './styles/moments.css';
import './styles/route.css';
import './styles/prediction.css';
import './styles/cost.css';

// The page's CSP forbids the code generation that zod would try first.
z.config({ jitless: true });

const rest = { baseUrl: '', timeoutMs: 8_000, fetch: window.fetch.bind(window) };
const probes = new PopProbes({
  clock: browserClock,
  random: Math.random,
  rest,
  fetch: rest.fetch,
  timingOf: resourceTimingOf,
  cache: new ProbeCache(tabStorage(), () => new Date()),
});
probes.prepare();
const call = new Call({
  clock: browserClock,
  random: Math.random,
  rest,
  probesForJoin: () => probes.forJoin(),
  openMicrophone: () => Microphone.open(),
  openCamera: () => Camera.open(),
  microphonePermission,
  createMedia: (options, handlers) => new Media(options, handlers),
});

window.addEventListener('online', () => {
  probes.forget();
  probes.prepare();
  call.networkReturned();
});
window.addEventListener('pagehide', () => call.hangUp());
navigator.mediaDevices?.addEventListener('devicechange', () => void call.reopenMicrophone());

const query = new URLSearchParams(window.location.search);
// Behind #, where no server and no log sees it: a session that a backend created, at this POP.
const token = new URLSearchParams(window.location.hash.slice(1)).get('token');
const signalingUrl = `${window.location.origin.replace(/^http/, 'ws')}/v1/signaling`;
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <CrashGuard onCrash={() => call.hangUp()}>
      <App
        call={call}
        rest={rest}
        wishedAgent={query.get('agent')}
        wishedSeat={{ room: query.get('room') ?? '', name: query.get('name') ?? '' }}
        invitation={token === null ? null : { signalingUrl, token }}
        autojoin={query.get('autojoin') === '1'}
      />
    </CrashGuard>
  </StrictMode>,
);
