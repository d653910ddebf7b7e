/**
 * `antipode status`: the zone once, as JSON, or on a screen that follows it. Owns when it looks and when it ends; what
 * is shown is status-text.ts.
 */
import { delay } from '../clock.ts';
import { asAntipodeError } from '../errors.ts';
import { type ClusterView, clusterView, clusterViewSchema } from './cluster-view.ts';
import { durationText } from './duration.ts';
import { LiveScreen, type Terminal } from './live-screen.ts';
import { askNode, keyOf, nodeUrlOf, type OperatorOptions, registryOf } from './operator-source.ts';
import { statusLines } from './status-text.ts';
import { type TableOptions, toned } from './text-table.ts';

export interface StatusOptions extends OperatorOptions {
  json?: boolean;
  /** Follow. @defaultValue true in a terminal, without `json` */
  watch?: boolean;
  out: Terminal;
  /** As a terminal would be colored. @defaultValue in a terminal, unless NO_COLOR is set */
  colors?: boolean;
  /** Ends following. */
  signal?: AbortSignal;
}

/** How often the screen is drawn: loads are told by nodes twice a second, and nothing tells that they changed. */
const LOOK_MS = 1_000;

/** @throws ERR_REQUEST_MALFORMED, ERR_REGISTRY_*, ERR_SERVICE_*; while following only before the first picture */
export async function statusCommand(options: StatusOptions): Promise<void> {
  const { out, json = false } = options;
  const watch = options.watch ?? (out.isTTY === true && !json);
  await using zone = await openZone(options);
  const first = await zone.look();
  if (watch) await follow(options, zone, first);
  else if (json) out.write(`${JSON.stringify(first, null, 2)}\n`);
  else out.write(`${statusLines(first, layoutOf(options)).join('\n')}\n`);
}

/** Draws until the signal; what fails meanwhile is said above the last picture, with its age. */
async function follow(options: StatusOptions, zone: Zone, first: ClusterView): Promise<void> {
  const { clock, out, json, signal } = options;
  const until = signal ?? new AbortController().signal;
  using screen = new LiveScreen(out);
  let view = first;
  let seenAtMs = clock.now();
  let trouble: string | null = null;
  while (!until.aborted) {
    if (json) {
      out.write(`${JSON.stringify(trouble === null ? view : { error: trouble })}\n`);
    } else {
      const layout = layoutOf(options);
      const age = durationText(clock.now() - seenAtMs);
      const stale = trouble === null ? [] : [toned(`error: ${trouble} This is ${age} old.`, 'bad', layout.colors)];
      screen.draw([...stale, ...statusLines(view, layout)]);
    }
    await awake(clock, until);
    if (until.aborted) return;
    try {
      view = await zone.look();
      seenAtMs = clock.now();
      trouble = null;
    } catch (error) {
      trouble = asAntipodeError(error).message;
    }
  }
}

/** The clock's timers keep no process alive: this one does, as nothing else may be under way. */
async function awake(clock: OperatorOptions['clock'], signal: AbortSignal): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  try {
    await delay(clock, LOOK_MS, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(alive);
  }
}

interface Zone extends AsyncDisposable {
  look(): Promise<ClusterView>;
}

async function openZone(options: StatusOptions): Promise<Zone> {
  const base = nodeUrlOf(options);
  if (base !== null) {
    const key = keyOf(options);
    return {
      look: () => askNode({ base, path: '/v1/nodes', key, schema: clusterViewSchema }),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const registry = await registryOf(options);
  return {
    look: () => clusterView({ registry, at: options.clock.date(), by: null }),
    [Symbol.asyncDispose]: () => registry.close(),
  };
}

function layoutOf({ out, colors }: StatusOptions): TableOptions {
  const terminal = out.isTTY === true;
  return {
    width: terminal ? (out.columns ?? 80) : null,
    colors: colors ?? (terminal && !process.env.NO_COLOR),
  };
}
