import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/index.ts';
import { Admission, type AdmissionOptions } from '../../src/core/admission.ts';
import type { LoadSample } from '../../src/core/admission-control.ts';
import { AdmissionMeter } from '../../src/core/admission-meter.ts';
import { createMetrics, type Registry, silentLogger } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NEW = { takenOver: false, priority: 'normal' } as const;
const HIGH = { ...NEW, priority: 'high' } as const;
const TAKEN_OVER = { ...NEW, takenOver: true } as const;
const LIMIT = { code: 'ERR_SESSION_LIMIT' };

let clock: FakeClock;
let metrics: Registry;
let sample: LoadSample;
let admission: Admission;

function admit(
  options: Partial<Pick<AdmissionOptions, 'capacity' | 'maxSessions'>> & { reservedShare?: number },
): void {
  const { capacity = 'auto', maxSessions = 200, reservedShare = 0 } = options;
  admission = new Admission({
    ...{ capacity, maxSessions, clock, metrics, nodeId: 'core-1', log: silentLogger },
    settings: { ...configSchema.parse({}).core.admission, reservedShare },
    sample: () => sample,
  });
}

const value = async (name: string, reason?: string) =>
  (await metrics.getSingleMetric(name)?.get())?.values.find(({ labels }) => !reason || labels.reason === reason)?.value;

beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics({ processMetrics: false });
  sample = { sessions: 60, latenessP99Ms: 3, lateFrameShare: 0, utilization: 0.3 };
});
afterEach(() => admission.close());

describe('a core of a fixed capacity', () => {
  it('takes so many sessions, however late it is', async () => {
    admit({ capacity: 50 });
    sample = { ...sample, latenessP99Ms: 80 };
    clock.advance(10_000);
    expect(admission.announced(49)).toEqual({ sessions: 50, reserved: 0 });
    admission.demand(49, NEW);
    expect(() => admission.demand(50, NEW)).toThrow(expect.objectContaining(LIMIT));
    expect(await value('antipode_core_admissions_refused_total', 'full')).toBe(1);
  });

  it('never has more than the node may have', () => {
    admit({ capacity: 500, maxSessions: 20 });
    expect(admission.announced(0).sessions).toBe(20);
    expect(() => admission.demand(20, TAKEN_OVER)).toThrow(expect.objectContaining(LIMIT));
  });

  it('keeps a share for high priority, and takes calls over beyond its limit', async () => {
    admit({ capacity: 50, reservedShare: 0.1 });
    expect(admission.announced(10)).toEqual({ sessions: 50, reserved: 5 });
    admission.demand(44, NEW);
    expect(() => admission.demand(45, NEW)).toThrow(expect.objectContaining(LIMIT));
    admission.demand(49, HIGH);
    expect(() => admission.demand(50, HIGH)).toThrow(expect.objectContaining(LIMIT));
    admission.demand(120, TAKEN_OVER);
    expect(await value('antipode_core_admissions_refused_total', 'reserved')).toBe(1);
  });
});

describe('a core that measures', () => {
  it('moves its limit once a second by what it measured, and tells it', async () => {
    admit({});
    expect(admission.limit).toBe(64);
    clock.advance(2_000);
    expect(admission.announced(60)).toEqual({ sessions: 80, reserved: 0 });
    expect(admission.load(60)).toEqual({ sessions: 60, latenessP99Ms: 5, utilization: 0.3 });
    expect(await value('antipode_core_admission_limit')).toBe(80);
    expect(await value('antipode_core_tick_lateness_p99_seconds')).toBe(0.003);
  });

  it('refuses everyone new while it is strained, even of high priority, but not calls of another core', async () => {
    admit({});
    sample = { ...sample, latenessP99Ms: 30 };
    clock.advance(2_000);
    expect(admission.open).toBe(false);
    expect(await value('antipode_core_admission_open')).toBe(0);
    expect(() => admission.demand(30, NEW)).toThrow(expect.objectContaining(LIMIT));
    expect(() => admission.demand(30, HIGH)).toThrow(expect.objectContaining(LIMIT));
    admission.demand(30, TAKEN_OVER);
    admission.demand(7, NEW);
    expect(admission.announced(30)).toEqual({ sessions: 30, reserved: 0 });
    expect(admission.announced(0)).toEqual({ sessions: 8, reserved: 0 });
    sample = { ...sample, latenessP99Ms: 3 };
    clock.advance(2_000);
    admission.demand(30, NEW);
    expect(await value('antipode_core_admissions_refused_total', 'strained')).toBe(2);
  });

  it('leaves no timer behind', () => {
    admit({});
    admission.close();
    admission.close();
    expect(clock.pendingCount).toBe(0);
  });
});

describe('AdmissionMeter', () => {
  it('tells each second by itself', () => {
    const totals = { mouthFrames: 1_000, mouthLateFrames: 500 };
    let loop = { active: 100, idle: 100, utilization: 0.5 };
    let cpu = { user: 900_000, system: 100_000 };
    const meter = new AdmissionMeter({ totals, loop: () => loop, cpu: () => cpu, cpus: 2 });
    for (let tick = 1; tick <= 100; tick++) meter.ticked(tick / 10);
    totals.mouthFrames += 200;
    totals.mouthLateFrames += 3;
    loop = { active: 400, idle: 800, utilization: 0.33 };
    const busy = meter.take(4);
    expect(busy).toMatchObject({ sessions: 4, lateFrameShare: 0.015, utilization: 0.3 });
    expect(busy.latenessP99Ms).toBeCloseTo(10, 0);
    loop = { active: 400, idle: 1_800, utilization: 0.18 };
    expect(meter.take(0)).toEqual({ sessions: 0, latenessP99Ms: null, lateFrameShare: null, utilization: 0 });
    loop = { active: 500, idle: 2_700, utilization: 0.15 };
    cpu = { user: 1_900_000, system: 300_000 };
    expect(meter.take(0).utilization).toBe(0.6);
  });
});
