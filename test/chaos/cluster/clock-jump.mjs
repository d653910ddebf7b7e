/**
 * Preloaded into a node (`--import`): each SIGUSR2 puts its wall clock forward by an hour, or back again, as a wrong step
 * of NTP does. It is `Date` of the Node process alone: monotonic time, the media workers and Redis keep theirs.
 */
const HOUR_MS = 3_600_000;
const RealDate = Date;
let offsetMs = 0;

const now = () => RealDate.now() + offsetMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, parameters, newTarget) =>
    Reflect.construct(target, parameters.length === 0 ? [now()] : parameters, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, property, receiver) => (property === 'now' ? now : Reflect.get(target, property, receiver)),
});

process.on('SIGUSR2', () => {
  offsetMs = offsetMs === 0 ? HOUR_MS : 0;
});
