/**
 * CPU time of a core's own share of many calls, without mediasoup and without agents' services: ears that decode, voice
 * activity, mouths that encode and are paced by the node's clock, in real time in this process. CPU time is not wall
 * time, so a busy machine changes little.
 * `node --initial-old-space-size=512 bench/micro/core-path.ts [calls] [seconds] [encoder rate]`; without the option the
 * heap, far smaller than a core's, is collected whole once a second, which a core's is not.
 */
import { readFile } from 'node:fs/promises';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { createEncoder } from 'libopus-wasm';
import { agentMetrics } from '../../src/agent/agent-metrics.ts';
import { Scheduler } from '../../src/agent/scheduler.ts';
import { chain, type Stage } from '../../src/agent/stage.ts';
import { listen } from '../../src/agent/stages/listen.ts';
import { SileroModel } from '../../src/agent/vad/silero.ts';
import { VAD_BATCHER_DEFAULTS, VadBatcher } from '../../src/agent/vad/vad-batcher.ts';
import { buildRtp } from '../../src/backbone/rtp.ts';
import { systemClock as clock } from '../../src/clock.ts';
import { zeroTotals } from '../../src/core/core-metrics.ts';
import { CallEar } from '../../src/core/ear.ts';
import { CallMouth } from '../../src/core/mouth.ts';
import { NodeClock } from '../../src/core/node-clock.ts';
import { createOpusDecoder, createOpusEncoder } from '../../src/core/opus-codec.ts';
import { Resampler } from '../../src/core/resampler.ts';
import { createMetrics, silentLogger as log } from '../../src/telemetry/index.ts';

const [calls = 100, seconds = 20, rate = 24_000] = process.argv.slice(2).map(Number);
const TALK_SHARE = 0.4;
const WARM_UP_MS = 5_000;

const wav = await readFile(new URL('../../test/audio/book-table.wav', import.meta.url));
const speech = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length));
const spoken = rate === 16_000 ? speech : new Resampler(16_000, rate).process(speech);
const speechMs = speech.length / 16;
const cycleFrames = Math.round(speechMs / TALK_SHARE / 20);

/** A cycle of a caller as a browser sends it: 48 kHz, speech and then a quiet room, a packet every 20 ms. */
const packets = await (async () => {
  const encoder = await createEncoder({
    sampleRate: 48_000,
    channels: 1,
    bitrate: 32_000,
    complexity: 9,
    fec: true,
    packetLossPercent: 10,
  });
  const voice = new Resampler(16_000, 48_000).process(speech);
  let seed = 1;
  return Array.from({ length: cycleFrames }, (_, frame) => {
    const pcm = new Int16Array(960);
    for (let index = 0; index < 960; index++) {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
      pcm[index] = (voice[frame * 960 + index] ?? 0) + Math.round((seed / 0x7fffffff - 0.5) * 40);
    }
    return encoder.encode(pcm);
  });
})();

const metrics = agentMetrics(createMetrics({ processMetrics: false }));
const model = await SileroModel.load({ maxBatch: VAD_BATCHER_DEFAULTS.maxBatch });
const vad = new VadBatcher({
  model,
  log,
  runSeconds: metrics.vadRunSeconds,
  batchSize: metrics.vadBatchSize,
  failures: metrics.vadFailures,
});
const totals = zeroTotals();
const lateness: number[] = [];
const nodeClock = new NodeClock({ clock, log, onLateness: (ms) => lateness.push(ms) });

interface Call {
  ear: CallEar;
  mouth: CallMouth;
  phase: number;
}
const all: Call[] = [];
let sent = 0;
let voiced = 0;
for (let number = 0; number < calls; number++) {
  const onFault = (error: unknown) => {
    throw error;
  };
  const ear = new CallEar({ clock, nodeClock, decoder: await createOpusDecoder(), totals, reorderWaitMs: 40, onFault });
  const mouth = new CallMouth({
    clock,
    nodeClock,
    totals,
    createEncoder: createOpusEncoder,
    ssrc: number + 1,
    sendFlush() {},
    onFault,
  });
  mouth.attach(() => sent++);
  const heard: Stage = {
    name: 'heard',
    process(frame) {
      if (frame.kind === 'voice' && frame.speaking) voiced++;
    },
    close() {},
  };
  const call = { hangUp: onFault, log };
  const scheduler = new Scheduler({
    chain: chain(listen({ call, vad }), heard),
    clock,
    log,
    slowStops: metrics.slowStops,
    onFailure: onFault,
  });
  ear.onFrame((audio) => scheduler.push({ kind: 'caller-audio', audio }));
  all.push({ ear, mouth, phase: Math.floor((number * cycleFrames) / calls) });
}

/** Sends the packets of every call whose time has come; a call's 20 ms begin at a time of its own. */
const startMs = clock.now() + 100;
const counts = new Uint32Array(calls);
function feed(): void {
  const now = clock.now();
  for (const [number, { ear, mouth, phase }] of all.entries()) {
    while (startMs + (number * 20) / calls + counts[number]! * 20 <= now) {
      const count = counts[number]!++;
      const at = (count + phase) % cycleFrames;
      const payload = packets[at]!;
      ear.receive(
        buildRtp({ payloadType: 100, marker: false, sequenceNumber: count, timestamp: count * 960, ssrc: 1, payload }),
      );
      if (at === Math.floor(cycleFrames / 2)) {
        const utterance = mouth.open();
        mouth.write(utterance, spoken, rate);
        mouth.finish(utterance);
      }
    }
  }
}
setInterval(feed, 1);
let gcMs = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) gcMs += entry.duration;
}).observe({ entryTypes: ['gc'] });

await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
lateness.length = 0;
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
const before = { cpu: process.cpuUsage(), ms: clock.now(), sent, voiced, gcMs, ...totals };
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
const cpu = process.cpuUsage(before.cpu);
const ms = clock.now() - before.ms;
lateness.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    calls,
    cpuMsPerCallSecond: Number(((cpu.user + cpu.system) / ms / calls).toFixed(3)),
    framesSentPerCallSecond: Number((((sent - before.sent) * 1_000) / ms / calls).toFixed(1)),
    framesHeardPerCallSecond: Number((((totals.earFrames - before.earFrames) * 1_000) / ms / calls).toFixed(1)),
    voicedPercent: Math.round(((voiced - before.voiced) * 32 * 100) / ms / calls),
    lateFrames: totals.mouthLateFrames - before.mouthLateFrames,
    tickLatenessP99Ms: Number(lateness[Math.floor(lateness.length * 0.99)]?.toFixed(2)),
    loopDelayP99Ms: Number((loop.percentile(99) / 1e6).toFixed(2)),
    gcMsPerSecond: Number((((gcMs - before.gcMs) * 1_000) / ms).toFixed(2)),
  }),
);
process.exit(0);
