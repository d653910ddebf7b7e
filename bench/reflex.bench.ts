/**
 * How fast the agent falls silent at the POP for a caller who speaks, and goes on for one who only coughed, when its core
 * is 200 ms away, with the POP's reflex and without it: real POPs and a real core as processes of this machine, and
 * between them a network that delays media and control by 200 ms each way. Sounds count from when the packet that
 * carries them leaves the caller, who is next to the POP; the agent's silence from its last packet of voice there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/clock.ts';
import { TcpLink } from '../test/wan/tcp-link.ts';
import { type UdpHost, UdpNetwork } from '../test/wan/udp-network.ts';
import { type RecordedScript, recordScript, type ScriptPart } from './fake-pop/script.ts';
import { LevelledCaller } from './levelled-caller/levelled-caller.ts';
import { levelsOf } from './levelled-caller/levels.ts';
import { type SoundOver, soundsOver } from './levelled-caller/sounds-over.ts';
import { makeSrtpKey } from './light-caller/index.ts';
import { Child } from './nodes/child.ts';
import type { ConverserMetadata } from './nodes/converser-metadata.ts';
import type { NodeAsk, NodeUsage, OpenedDoor } from './nodes/messages.ts';
import { type BenchOptions, percentile, result } from './result.ts';

const NODE_FILE = join(import.meta.dirname, 'nodes/node-process.ts');
/** Each way. */
const DELAY_MS = 200;
const DEFAULT_SECONDS = 40;
const WARM_UP_MS = 6_000;
const METADATA: ConverserMetadata = { replyMs: 12_000, endSilenceMs: 500, smartTurn: false, greets: false };
/** Each is said over the answer to the one before, which begins a second and more after it. */
const SPEAKS_OVER: ScriptPart[] = [{ say: 'stop' }, { silenceMs: 2_817 }, { say: 'what-time' }, { silenceMs: 3_003 }];
/** A question, and coughs over its answer: vowels and bursts of noise. */
const COUGHS: ScriptPart[] = [{ vowelMs: 150 }, { noiseMs: 150 }, { vowelMs: 200 }, { noiseMs: 250 }, { vowelMs: 300 }];
const MAKES_SOUNDS: ScriptPart[] = [
  { say: 'what-time' },
  { silenceMs: 2_807 },
  ...COUGHS.flatMap((cough): ScriptPart[] => [cough, { silenceMs: 2_003 }]),
  { silenceMs: 5_000 },
];
const HOSTS = {
  core: { ip: '127.0.0.1', announced: '127.0.0.91', ports: { min: 43_510, max: 43_517 } },
  on: { ip: '127.0.0.1', announced: '127.0.0.92', ports: { min: 43_520, max: 43_523 } },
  off: { ip: '127.0.0.1', announced: '127.0.0.93', ports: { min: 43_530, max: 43_533 } },
} as const satisfies Record<string, UdpHost>;
type Pop = 'on' | 'off';

export async function run({ calls = 6, seconds = DEFAULT_SECONDS, progress, signal }: BenchOptions) {
  await using stack = new AsyncDisposableStack();
  const stateDir = await mkdtemp(join(tmpdir(), 'antipode-bench-'));
  stack.defer(() => rm(stateDir, { recursive: true, force: true }));
  // Before the network is there: whoever computes carries no packets.
  progress('recording');
  const scripts: { script: RecordedScript; levels: number[] }[] = [];
  for (const parts of [SPEAKS_OVER, MAKES_SOUNDS]) {
    const script = await recordScript(parts);
    scripts.push({ script, levels: await levelsOf(script) });
  }
  progress('starting nodes');
  stack.use(await UdpNetwork.open({ hosts: HOSTS, path: () => ({ delayMs: DELAY_MS }), clock: systemClock }));
  const start = async (name: keyof typeof HOSTS, role: 'core' | 'pop', core: Address | null, reflex = true) => {
    const child = stack.use(new Child<NodeAsk>({ name, file: NODE_FILE, args: [role] }));
    const { announced, ports } = HOSTS[name];
    const settings = {
      'backbone.announcedAddress': announced,
      'backbone.ports': ports,
      'edge.reflex.enabled': reflex,
    };
    const ask = {
      type: 'start',
      stateDir,
      agentsDir: 'bench/agents',
      core,
      nodeId: `bench-${name}`,
      settings,
    } as const;
    return { child, address: await child.ask<Address>(ask) };
  };
  const core = await start('core', 'core', null);
  const way = stack.use(
    await TcpLink.open({
      listen: { host: '127.0.0.1', port: 0 },
      server: core.address,
      path: { delayMs: DELAY_MS },
      clock: systemClock,
    }),
  );
  const far = { ...core.address, port: way.port };
  const pops = {
    on: (await start('on', 'pop', far)).child,
    off: (await start('off', 'pop', far, false)).child,
  };
  stack.defer(async () => {
    await Promise.allSettled([pops.on, pops.off, core.child].map((child) => child.ask({ type: 'close' })));
  });
  progress('opening calls');
  const callers: { pop: Pop; caller: LevelledCaller }[] = [];
  for (const { script, levels } of scripts) {
    for (let index = 0; index < 2 * calls; index++) {
      const pop: Pop = index % 2 === 0 ? 'on' : 'off';
      const localKey = makeSrtpKey();
      const number = callers.length + 1;
      const door = await pops[pop].ask<OpenedDoor>({
        type: 'open',
        sessionId: `reflex-${number}`,
        agent: 'converser',
        callerKey: localKey,
        ssrc: 1_000 + number,
        metadata: { ...METADATA },
      });
      const caller = new LevelledCaller({
        remote: door,
        localKey,
        remoteKey: door.key,
        ssrc: 1_000 + number,
        payloadType: door.payloadType,
        script,
        levels,
        firstFrame: Math.floor((index / (2 * calls)) * script.packets.length),
      });
      stack.defer(() => caller.stop());
      callers.push({ pop, caller });
      await caller.start();
    }
  }
  await sleep(WARM_UP_MS, undefined, { signal });
  for (const { caller } of callers) caller.measureFromNow();
  progress(`measuring for ${seconds} s`);
  await sleep(seconds * 1_000, undefined, { signal });
  const untilMs = performance.now();
  const logs = callers.map(({ pop, caller }) => ({ pop, log: caller.log }));
  const counted = reflexOf(await pops.on.ask<NodeUsage>({ type: 'usage' }));
  const over = (pop: Pop) => logs.filter((one) => one.pop === pop).flatMap(({ log }) => soundsOver(log, untilMs));
  const [on, off] = [over('on'), over('off')];
  const [silenced, silencedOff] = [silencesOf(on), silencesOf(off)];
  const [resumed, resumedOff] = [resumesOf(on), resumesOf(off)];
  return result(
    'reflex',
    `How fast is the agent silent at the POP, with its core ${DELAY_MS} ms away, and how fast does it go on after a cough?`,
    {
      voicesAndSounds: on.length,
      silencesMeasured: silenced.length,
      silenceP50Ms: percentile(silenced, 50),
      silenceP99Ms: percentile(silenced, 99),
      silenceMaxMs: percentile(silenced, 100),
      silenceP50WithoutReflexMs: percentile(silencedOff, 50),
      silenceP99WithoutReflexMs: percentile(silencedOff, 99),
      voicesThatHeardItGoOn: on.filter(({ kind, resumedMs }) => kind === 'speech' && isSooner(resumedMs)).length,
      coughs: coughsOf(on).length,
      coughsThatSilenced: coughsOf(on).filter(({ silencedMs }) => silencedMs !== null).length,
      resumesMeasured: resumed.length,
      coughsThatCutOff: resumesOf(on, true).length,
      resumeP50Ms: percentile(resumed, 50),
      resumeP99Ms: percentile(resumed, 99),
      resumeMaxMs: percentile(resumed, 100),
      coughsThatSilencedWithoutReflex: coughsOf(off).filter(({ silencedMs }) => silencedMs !== null).length,
      resumeP50WithoutReflexMs: percentile(resumedOff, 50),
      resumeP99WithoutReflexMs: percentile(resumedOff, 99),
      ...counted,
      leftOut: [...on, ...off].filter((sound) => sound.stalledAtFirst || sound.stalledAtLast).length,
      packetsLost: logs.reduce((sum, { log }) => sum + log.lost, 0),
      callersSendLateMs: Math.max(...logs.map(({ log }) => log.sendLateMs)),
    },
    { silenceP50Ms: 100, silenceP99Ms: 160, resumeP99Ms: 400, coughsThatCutOff: 0, timedOut: 0, packetsLost: 0 },
    [
      `The core is ${DELAY_MS} ms away each way: ${2 * DELAY_MS} ms there and back.`,
      'Left out, of their beginning or their end: sounds around which the process of callers and network stalled for 30 ms and more.',
      'Coughs: vowels and bursts of noise of 150 to 300 ms. Without the reflex those that voice activity does not take for voice silence nothing.',
    ],
  );
}

type Sounds = readonly SoundOver[];

/** Than any answer to what was said could begin: the agent went on, and was cut off only then. */
function isSooner(resumedMs: number | null): boolean {
  return resumedMs !== null && resumedMs < METADATA.endSilenceMs + DELAY_MS;
}

interface Address {
  nodeId: string;
  host: string;
  port: number;
}

/** Of every voice and cough: when it silenced the agent. */
function silencesOf(sounds: Sounds): number[] {
  return sounds.flatMap(({ silencedMs, stalledAtFirst }) => (stalledAtFirst ? [] : (silencedMs ?? [])));
}

function coughsOf(sounds: Sounds): SoundOver[] {
  return sounds.filter(({ kind }) => kind !== 'speech');
}

/** Of the coughs that silenced the agent: when it went on, or those after which it did not. */
function resumesOf(sounds: Sounds): number[];
function resumesOf(sounds: Sounds, never: true): SoundOver[];
function resumesOf(sounds: Sounds, never = false): number[] | SoundOver[] {
  const silenced = coughsOf(sounds).filter(({ silencedMs }) => silencedMs !== null);
  if (never) return silenced.filter(({ resumedMs }) => resumedMs === null);
  return silenced.flatMap(({ resumedMs, stalledAtLast }) => (stalledAtLast ? [] : (resumedMs ?? [])));
}

/** What the POP's own counters say of all its calls. */
function reflexOf({ stats }: NodeUsage) {
  const calls = (stats as unknown as { calls: { reflex: Record<string, number> | null }[] }).calls;
  const sum = (name: string) => calls.reduce((total, { reflex }) => total + (reflex?.[name] ?? 0), 0);
  return {
    ducks: sum('ducks'),
    confirmed: sum('confirmed'),
    rejected: sum('rejected'),
    superseded: sum('superseded'),
    timedOut: sum('timed_out'),
  };
}
