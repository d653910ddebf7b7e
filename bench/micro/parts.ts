/**
 * CPU time of what a core computes for its calls, part by part, each by itself and warm: Opus, voice activity by the
 * number of calls in a run, the turn model. Medians; CPU time is not wall time, so a busy machine changes little.
 * `node bench/micro/parts.ts`
 */
import { readFile } from 'node:fs/promises';
import { Application, Bandwidth, createEncoder, Signal } from 'libopus-wasm';
import * as ort from 'onnxruntime-node';
import { leanSmartTurn } from '../../src/agent/turn-taking/smart-turn/lean-graph.ts';
import { LogMel, SMART_TURN_FRAMES, SMART_TURN_MELS } from '../../src/agent/turn-taking/smart-turn/log-mel.ts';
import { findSmartTurnWeights } from '../../src/agent/turn-taking/smart-turn/weights.ts';
import { SileroModel, VAD_INPUT_SAMPLES, VAD_STATE_SIZE } from '../../src/agent/vad/silero.ts';
import { readWav } from '../../src/call/wav.ts';
import { createOpusDecoder, createOpusEncoder, type OpusSampleRate } from '../../src/core/opus-codec.ts';
import { Resampler } from '../../src/core/resampler.ts';

/** Codecs that take turns, as calls do: each finds its state out of the nearest cache. */
const STREAMS = 100;
const ROUNDS = 9;

const { pcm: speech } = await readWav(`${import.meta.dirname}/../../test/audio/book-table.wav`);

/** Median of `ROUNDS`, microseconds of CPU time per unit. */
async function measure(name: string, units: number, work: () => void | Promise<void>): Promise<void> {
  const rounds: number[] = [];
  for (let round = -2; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) rounds.push((user + system) / units);
  }
  rounds.sort((a, b) => a - b);
  console.log(`${name.padEnd(48)} ${rounds[ROUNDS >> 1]!.toFixed(1).padStart(9)} us`);
}

function framesOf(sampleRate: number): Int16Array[] {
  const pcm = sampleRate === 16_000 ? speech : new Resampler(16_000, sampleRate).process(speech);
  const samples = sampleRate / 50;
  return Array.from({ length: Math.floor(pcm.length / samples) }, (_, frame) =>
    pcm.slice(frame * samples, (frame + 1) * samples),
  );
}

async function measureEncoder(sampleRate: OpusSampleRate, expectedLossPercent: number): Promise<void> {
  const frames = framesOf(sampleRate);
  const encoders = await Promise.all(
    Array.from({ length: STREAMS }, () => createOpusEncoder({ sampleRate, expectedLossPercent })),
  );
  const how = expectedLossPercent > 0 ? 'SILK with FEC' : 'CELT';
  await measure(`Opus encode, ${sampleRate / 1_000} kHz ${how}, a frame`, STREAMS * 20, () => {
    for (let frame = 0; frame < 20; frame++) {
      for (const [index, encoder] of encoders.entries()) encoder.encode(frames[(frame + index) % frames.length]!);
    }
  });
  for (const encoder of encoders) encoder.close();
}

/** What a microphone adds above 8 kHz, where the recording has nothing and Opus would save itself the upper band. */
function withHiss(frame: Int16Array): Int16Array {
  return frame.map((sample, index) => sample + (((index * 7_919) % 201) - 100));
}

/** @param maxBandwidth libopus's constant; what a browser does when it is told the highest rate that we play */
async function measureDecoder(name: string, maxBandwidth?: Bandwidth): Promise<void> {
  const options = {
    sampleRate: 48_000,
    channels: 1,
    application: Application.Voip,
    signal: Signal.Voice,
    bitrate: 32_000,
    complexity: 9,
    fec: true,
    packetLossPercent: 10,
  } as const;
  const encoder = await createEncoder(maxBandwidth === undefined ? options : { ...options, maxBandwidth });
  const packets = framesOf(48_000).map((frame) => encoder.encode(withHiss(frame)));
  const decoders = await Promise.all(Array.from({ length: STREAMS }, createOpusDecoder));
  await measure(`Opus decode, ${name}, a packet`, STREAMS * 20, () => {
    for (let packet = 0; packet < 20; packet++) {
      for (const [index, decoder] of decoders.entries()) decoder.decode(packets[(packet + index) % packets.length]!);
    }
  });
  for (const decoder of decoders) decoder.close();
  encoder.free();
}

await measureEncoder(16_000, 0);
await measureEncoder(24_000, 0);
await measureEncoder(16_000, 10);
await measureEncoder(24_000, 10);
await measureDecoder('48 kHz fullband');
await measureDecoder('48 kHz limited to wideband', Bandwidth.Wideband);

const silero = await SileroModel.load({ maxBatch: 64 });
for (const batch of [1, 4, 16, 32, 64]) {
  const items = Array.from({ length: batch }, (_, item) => ({
    input: Float32Array.from({ length: VAD_INPUT_SAMPLES }, (_, at) => (speech[item * 320 + at] ?? 0) / 32_768),
    state: new Float32Array(VAD_STATE_SIZE),
    probability: 0,
  }));
  const runs = Math.ceil(1_000 / batch);
  await measure(`Voice activity, ${batch} in a run, a window of 32 ms`, runs * batch, async () => {
    for (let run = 0; run < runs; run++) await silero.run(items);
  });
}
await silero.close();

const weights = await findSmartTurnWeights();
if ('missing' in weights) {
  console.log(weights.missing);
} else {
  const logMel = new LogMel();
  await measure('Turn model, log-mel of 3.7 s', 10, () => {
    for (let run = 0; run < 10; run++) logMel.compute(speech);
  });
  const file = await readFile(weights.weightsFile);
  const features = new ort.Tensor('float32', logMel.compute(speech), [1, SMART_TURN_MELS, SMART_TURN_FRAMES]);
  for (const [name, model] of [
    ['as published', file],
    ['as it is run', leanSmartTurn(file)],
  ] as const) {
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    await measure(`Turn model, ${name}`, 5, async () => {
      for (let run = 0; run < 5; run++) await session.run({ input_features: features });
    });
    await session.release();
  }
}
