/**
 * `antipode placement probe`: how far this machine is from each POP, measured, beside what placement would take the
 * distance for. Owns its arguments, progress and table; exit codes are placement-command.ts's.
 */
import { type Clock, systemClock } from './clock.ts';
import { AntipodeError } from './errors.ts';
import { type Coordinates, distanceToRegion, Regions, readWorldDocument } from './placement/index.ts';
import { BadArguments, parse, placeAt, textOf } from './placement-arguments.ts';
import { ping } from './placement-ping.ts';
import { popBaseUrl, popListSchema, probeUrlOf } from './signaling/index.ts';

export interface ProbeStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown };
}

export interface ProbeSettings {
  clock?: Clock;
  /** @defaultValue 2000 */
  progressAfterMs?: number;
}

/** What `--json` prints of a POP. */
export interface ProbedPop {
  readonly pop: string;
  readonly region: string;
  readonly probeUrl: string;
  /** Null when it did not answer. */
  readonly minMs: number | null;
  readonly medianMs: number | null;
  /** Mean difference between one figure and the next. */
  readonly jitterMs: number | null;
  /** What placement takes it for by the place of this machine; null where that is unknown. */
  readonly expectedMs: number | null;
  readonly failure: string | null;
}

type Target = Pick<ProbedPop, 'pop' | 'region' | 'probeUrl' | 'expectedMs'>;

const OPTIONS = {
  server: { type: 'string' },
  world: { type: 'string' },
  key: { type: 'string' },
  pin: { type: 'string' },
  at: { type: 'string' },
  count: { type: 'string' },
  json: { type: 'boolean' },
} as const;

const DEFAULT_SERVER = 'http://localhost:8080';
const DEFAULT_COUNT = 5;
const REQUEST_TIMEOUT_MS = 3_000;
/** POPs that are measured at once: more would measure this machine. */
const CONCURRENCY = 8;

/** Answers when at least one POP did. @throws BadArguments | AntipodeError when none did, or no list came */
export async function probePops(
  argv: readonly string[],
  { out, err }: ProbeStreams,
  settings: ProbeSettings = {},
): Promise<void> {
  const { values } = parse(argv, OPTIONS, false);
  const count = values.count === undefined ? DEFAULT_COUNT : Number(values.count);
  if (!Number.isInteger(count) || count < 1 || count > 100) throw new BadArguments('--count must be 1 to 100.');
  if (values.server !== undefined && values.world !== undefined) {
    throw new BadArguments('Give one of --server and --world.');
  }
  if (values.world !== undefined && values.pin !== undefined) throw new BadArguments('--pin needs a server.');
  const place = values.at === undefined ? null : placeAt(values.at);
  const targets = values.world === undefined ? await ofServer(values, place) : await ofWorld(values.world, place);
  const pops = await measure(targets, count, err, settings);
  if (values.json === true) out.write(`${JSON.stringify({ count, pops }, null, 2)}\n`);
  else out.write(tableOf(pops));
  if (pops.some(({ minMs }) => minMs !== null)) return;
  const why = pops.map(({ pop, failure }) => `${pop}: ${failure}`).join('; ');
  throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `No POP answered. ${why}.`);
}

async function ofServer(
  values: { server?: string; key?: string; pin?: string },
  place: Coordinates | null,
): Promise<Target[]> {
  const base = values.server ?? DEFAULT_SERVER;
  const server = popBaseUrl(base);
  if (server === null) throw new BadArguments('--server must be the URL of a server, such as http://localhost:8080.');
  const key = values.key ?? process.env.ANTIPODE_API_KEYS?.split(',')[0]?.trim();
  const url = new URL(`${server}/v1/pops`);
  if (key) url.searchParams.set('all', 'true');
  if (values.pin !== undefined) url.searchParams.set('residency', values.pin);
  let response: Response;
  let text: string;
  try {
    const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
    response = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
    text = await response.text();
  } catch (cause) {
    const words = `No server answers at ${url.origin}. Start one, name it by --server, or give a world by --world.`;
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', words, { cause });
  }
  if (!response.ok) {
    throw new AntipodeError('ERR_SERVICE_FAILED', `${url.href} answers ${response.status}: ${text.slice(0, 300)}`);
  }
  const list = popListSchema.safeParse(jsonOf(text));
  if (!list.success) throw new AntipodeError('ERR_SERVICE_FAILED', `${url.href} answers with something else.`);
  if (list.data.pops.length === 0) {
    throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${url.origin} knows no POP that takes sessions there.`);
  }
  const regions = Regions.load();
  return list.data.pops.map((pop) => ({
    ...pop,
    expectedMs: place === null ? pop.expectedMs : distanceToRegion(regions, place, pop.region),
  }));
}

async function ofWorld(file: string, place: Coordinates | null): Promise<Target[]> {
  const { nodes, regions: declared, policy } = readWorldDocument(await textOf(file), file);
  const regions = Regions.load({ ...declared, ...policy?.regions });
  const accessMs = policy?.latency.accessMs;
  const targets = nodes
    .filter(({ role }) => role === 'pop')
    .flatMap(({ nodeId: pop, region, signalingUrl }) => {
      const probeUrl = probeUrlOf(signalingUrl ?? null);
      if (probeUrl === null) return [];
      const expectedMs = place === null ? null : distanceToRegion(regions, place, region, accessMs);
      return [{ pop, region, probeUrl, expectedMs }];
    });
  if (targets.length > 0) return targets;
  throw new AntipodeError('ERR_CONFIG_INVALID', `${file}: no POP among "nodes" has a "signalingUrl" to ask.`);
}

async function measure(
  targets: readonly Target[],
  count: number,
  err: ProbeStreams['err'],
  settings: ProbeSettings,
): Promise<ProbedPop[]> {
  const { clock = systemClock, progressAfterMs = 2_000 } = settings;
  const waiting = new Set(targets.map(({ pop }) => pop));
  let isTold = false;
  const tell = () => {
    const done = targets.length - waiting.size;
    if (isTold && waiting.size > 0) {
      err.write(`${done} of ${targets.length} POPs are measured; waiting for ${[...waiting].slice(0, 5).join(', ')}\n`);
    }
  };
  const timer = clock.setTimeout(() => {
    isTold = true;
    tell();
  }, progressAfterMs);
  const queue = [...targets];
  const probed: ProbedPop[] = [];
  const work = async () => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      const { samples, failure } = await ping(target.probeUrl, { count, timeoutMs: REQUEST_TIMEOUT_MS, clock });
      const { pop, region, probeUrl, expectedMs } = target;
      probed.push({ pop, region, probeUrl, ...figuresOf(samples), expectedMs: rounded(expectedMs), failure });
      waiting.delete(pop);
      tell();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  timer.cancel();
  return probed.toSorted(
    (a, b) => (a.minMs ?? Number.POSITIVE_INFINITY) - (b.minMs ?? Number.POSITIVE_INFINITY) || (a.pop < b.pop ? -1 : 1),
  );
}

/** Least, middle and unrest of figures, ms to a tenth. */
export function figuresOf(samples: readonly number[]): Pick<ProbedPop, 'minMs' | 'medianMs' | 'jitterMs'> {
  if (samples.length === 0) return { minMs: null, medianMs: null, jitterMs: null };
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const steps = samples.slice(1).map((ms, index) => Math.abs(ms - samples[index]!));
  const jitter = steps.length === 0 ? null : steps.reduce((sum, ms) => sum + ms, 0) / steps.length;
  return { minMs: rounded(sorted[0]!), medianMs: rounded(median), jitterMs: rounded(jitter) };
}

function tableOf(pops: readonly ProbedPop[]): string {
  const head = ['POP', 'REGION', 'MIN', 'MEDIAN', 'JITTER', 'PRIOR', ''];
  const cell = (ms: number | null) => (ms === null ? '-' : ms.toFixed(1));
  const rows = pops.map(({ pop, region, minMs, medianMs, jitterMs, expectedMs, failure }) => [
    ...[pop, region, cell(minMs), cell(medianMs), cell(jitterMs), cell(expectedMs), failure ?? ''],
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const isNumber = (column: number) => column >= 2 && column <= 5;
  const lines = [head, ...rows].map((row) =>
    row
      .map((text, column) => (isNumber(column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  const note = 'Milliseconds there and back. PRIOR is what placement takes it for by the place of this machine alone.';
  return `${lines.join('\n')}\n\n${note}\n`;
}

function rounded<T extends number | null>(ms: T): T {
  return (ms === null ? null : Math.round(ms * 10) / 10) as T;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
