/** The doctor's look at what hears and speaks: voice activity, the headless caller's WebRTC, speech programs, OpenAI. */
import { join } from 'node:path';
import {
  BROWSER_PACKAGES,
  installCommand,
  missingPackages,
  SPEECH_PACKAGES,
  type SystemPackage,
  thisMachine,
} from '../../scripts/setup/system-packages.mjs';
import type { Config } from '../config/index.ts';
import type { DoctorCheck, DoctorOptions } from './check.ts';
import { firstLine } from './check.ts';

/** Silero VAD reads 64 samples of context and 512 new ones, at 16 kHz. */
const SILERO_INPUT_SAMPLES = 576;
const SILERO_STATE_SHAPE: readonly number[] = [2, 1, 128];
const SILERO_RATE_HZ = 16_000n;

export async function probeSilero({ root }: DoctorOptions): Promise<DoctorCheck[]> {
  const name = 'voice activity';
  try {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    const model = join(root, 'node_modules/@ricky0123/vad-web/dist/silero_vad_v6.onnx');
    const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
    const stateLength = SILERO_STATE_SHAPE.reduce((product, length) => product * length, 1);
    const startedMs = performance.now();
    const { output } = await session.run({
      input: new Tensor('float32', new Float32Array(SILERO_INPUT_SAMPLES), [1, SILERO_INPUT_SAMPLES]),
      state: new Tensor('float32', new Float32Array(stateLength), [...SILERO_STATE_SHAPE]),
      sr: new Tensor('int64', BigInt64Array.of(SILERO_RATE_HZ), []),
    });
    const elapsedMs = performance.now() - startedMs;
    await session.release();
    return [checkSilence(Number(output?.data[0]), elapsedMs)];
  } catch (error) {
    const detail = `onnxruntime-node or the Silero model does not load: ${firstLine(error)}`;
    return [{ name, status: 'fail', detail, fix: 'npm start' }];
  }
}

/** @param probability that there is speech in silence, as the model says */
export function checkSilence(probability: number, elapsedMs: number): DoctorCheck {
  const name = 'voice activity';
  if (probability >= 0 && probability < 0.5) {
    return { name, status: 'ok', detail: `Silero hears silence as silence (${elapsedMs.toFixed(1)} ms)` };
  }
  return {
    name,
    status: 'fail',
    detail: `Silero gives silence a speech probability of ${probability}`,
    fix: 'npm start',
  };
}

export async function probeWrtc(): Promise<DoctorCheck[]> {
  const name = 'headless caller';
  try {
    const { default: wrtc } = await import('@roamhq/wrtc');
    const connection = new wrtc.RTCPeerConnection();
    connection.close();
    return [{ name, status: 'ok', detail: '@roamhq/wrtc loads' }];
  } catch (error) {
    const detail = `antipode call does not work: @roamhq/wrtc does not load: ${firstLine(error)}`;
    return [{ name, status: 'warn', detail, fix: 'npm start' }];
  }
}

export async function probeSpeech({ config, environment }: DoctorOptions): Promise<DoctorCheck[]> {
  const machine = thisMachine(environment);
  const wanted = [...asConfigured(SPEECH_PACKAGES, config), ...BROWSER_PACKAGES];
  const missing = await missingPackages(wanted, machine);
  return wanted.map((one) => checkPackage(one, !missing.includes(one), installCommand([one], machine)));
}

/** The packages, recognized by the programs and the folder that the configuration names. */
export function asConfigured(packages: readonly SystemPackage[], { services }: Config): SystemPackage[] {
  const recognizedBy: Readonly<Record<string, Partial<SystemPackage>>> = {
    flite: { programs: [services.flite.command] },
    pocketsphinx: { programs: [services.pocketsphinx.command] },
    'pocketsphinx-en-us': { paths: [services.pocketsphinx.modelDir] },
  };
  return packages.map((one) => ({ ...one, ...recognizedBy[one.name] }));
}

/** Nothing of the distribution is needed by the server itself, so what is missing is only left out. */
export function checkPackage({ name, purpose }: SystemPackage, present: boolean, command: string): DoctorCheck {
  if (present) return { name, status: 'ok', detail: 'in place' };
  return { name, status: 'warn', detail: `missing: ${purpose}`, fix: command };
}

export async function probeOpenAI({ config }: DoctorOptions): Promise<DoctorCheck[]> {
  return [checkOpenAI(config.services.openai.apiKey !== null)];
}

export function checkOpenAI(keyIsSet: boolean): DoctorCheck {
  const detail = keyIsSet
    ? 'OPENAI_API_KEY is set: front-desk uses OpenAI unless other services are chosen'
    : 'OPENAI_API_KEY is not set: unless other services are chosen, front-desk uses the keyless voice';
  return { name: 'openai', status: 'ok', detail };
}
