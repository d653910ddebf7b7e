/** The headless caller as a process of its own, against real WebRTC media and an agent whose timing is known. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, type TestContext, test } from 'vitest';
import { loadClip } from '../../src/call/clip.ts';
import type { CallReport } from '../../src/call/index.ts';
import { readWav } from '../../src/call/wav.ts';
import { opusPackets, type Script, ScriptedServer } from './scripted-server.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const AUDIO = join(import.meta.dirname, '../audio');
const FRAME_MS = 20;
/** What a packet spends in the caller's encoder, two sockets, a router and a jitter buffer, at most, on a busy machine. */
const PATH_LIMIT_MS = 1_000;
/** The talker takes a caller who is silent for so many frames to have finished. */
const ENDPOINT_FRAMES = 15;

let tone: Buffer[];
let silence: Buffer[];
let folder: string;

beforeAll(async () => {
  tone = await opusPackets(500, 9_000);
  silence = await opusPackets(FRAME_MS, 0);
  folder = await mkdtemp(join(tmpdir(), 'antipode-call-'));
});

afterAll(() => rm(folder, { recursive: true }));

type Finished = TestContext['onTestFinished'];

async function serve(onTestFinished: Finished, script: (agent: string) => Script | null): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script);
  onTestFinished(() => server.close());
  return server;
}

interface Run {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function call(...argv: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, 'call', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

function silenceOf(ms: number): Buffer[] {
  return Array.from({ length: ms / FRAME_MS }, () => silence[0]!);
}

/** Greets with half a second of tone and gives back each packet `delayMs` or a little more after it came; where none came is silence. */
function delayedEcho(delayMs: number): Script {
  return {
    started: (agent) => {
      agent.send({ type: 'transcript', id: 'a1', turn: 0, role: 'agent', text: 'beep', final: true });
      agent.say(tone);
    },
    heard: (agent, payload) => {
      const pausedMs = delayMs - agent.queuedMs;
      if (pausedMs > 0) agent.say(silenceOf(Math.ceil(pausedMs / FRAME_MS) * FRAME_MS));
      agent.say([Buffer.from(payload)]);
    },
  };
}

/** Answers the first silence after speech with twenty seconds of tone and stops at the caller's next sound. */
function talker(): Script {
  let quietFrames = -1;
  let answered = false;
  return {
    heard: (agent, _payload, voiced) => {
      if (voiced) {
        quietFrames = 0;
        agent.flush();
      } else if (quietFrames >= 0) quietFrames++;
      if (quietFrames < ENDPOINT_FRAMES || answered) return;
      answered = true;
      for (let round = 0; round < 40; round++) agent.say(tone);
    },
  };
}

test.concurrent('a call measures greeting, answer and loss of an agent that echoes after a known delay, and records it', {
  timeout: 30_000,
}, async ({ expect, onTestFinished }) => {
  const delayMs = 2_600;
  const server = await serve(onTestFinished, (agent) => (agent === 'echo' ? delayedEcho(delayMs) : null));
  const stop = await loadClip(join(AUDIO, 'stop.wav'));
  const voicedMs = (stop.voiced.last - stop.voiced.first) / 48;
  const record = join(folder, 'echo.wav');

  const run = await call(
    ...['--url', server.url, '--agent', 'echo', '--say', join(AUDIO, 'stop.wav'), '--record', record, '--json'],
  );

  expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
  const report = JSON.parse(run.stdout) as CallReport;
  const [result] = report.calls;
  expect(report.calls).toHaveLength(1);
  expect(result).toMatchObject({
    sessionId: 's1',
    transcript: [{ role: 'agent', text: 'beep' }],
    packetsLost: 0,
    reconnects: 0,
  });
  expect(result).not.toHaveProperty('error');
  expect(result!.connectMs).toBeGreaterThan(0);
  expect(result!.firstAudioMs).toBeGreaterThan(0);
  expect(result!.turns).toHaveLength(1);
  const pathMs = result!.turns[0]!.voiceToVoiceMs! - (delayMs - voicedMs);
  expect(pathMs).toBeGreaterThan(0);
  expect(pathMs).toBeLessThan(PATH_LIMIT_MS);
  expect(report.summary).toMatchObject({ connected: 1, failed: 0, bargeInMs: { p50: null, p95: null, p99: null } });
  expect(report.summary.voiceToVoiceMs.p50).toBe(result!.turns[0]!.voiceToVoiceMs);
  const tape = await readWav(record);
  const heardMs = (tape.pcm.length * 1_000) / tape.sampleRate;
  expect(heardMs).toBeGreaterThan(delayMs + voicedMs);
  expect(heardMs).toBeLessThan(delayMs + voicedMs + 6_000);
});

test.concurrent('an interruption is measured from the first sound sent to the silence received', {
  timeout: 30_000,
}, async ({ expect, onTestFinished }) => {
  const server = await serve(onTestFinished, talker);

  const run = await call(
    ...['--url', server.url, '--agent', 'talker', '--json', '--say', join(AUDIO, 'goodbye.wav')],
    ...['--interrupt-with', join(AUDIO, 'stop.wav')],
  );

  expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
  const { calls, summary } = JSON.parse(run.stdout) as CallReport;
  expect(calls[0]!.firstAudioMs).toBeNull();
  const [turn] = calls[0]!.turns;
  expect(turn!.bargeInMs).toBeGreaterThan(FRAME_MS);
  expect(turn!.bargeInMs).toBeLessThan(FRAME_MS + PATH_LIMIT_MS);
  expect(turn!.voiceToVoiceMs).toBeGreaterThan((ENDPOINT_FRAMES - 3) * FRAME_MS);
  expect(turn!.voiceToVoiceMs).toBeLessThan(ENDPOINT_FRAMES * FRAME_MS + PATH_LIMIT_MS);
  expect(summary.bargeInMs.p50).toBe(turn!.bargeInMs);
});

test.concurrent('a call comes back by itself when its socket drops during set-up, later, and when its media is lost', {
  timeout: 60_000,
}, async ({ expect, onTestFinished }) => {
  const server = await serve(onTestFinished, () => delayedEcho(2_600));
  const running = call(
    ...['--url', server.url, '--agent', 'echo', '--json', '--say'],
    `${join(AUDIO, 'stop.wav')},${join(AUDIO, 'goodbye.wav')}`,
  );
  const { resumes, sessions } = server;
  await expect.poll(() => sessions.get('s1')?.ticker ?? null, { timeout: 10_000, interval: 5 }).not.toBeNull();
  const session = sessions.get('s1')!;
  server.dropSocket(session);
  await expect.poll(() => resumes, { timeout: 10_000 }).toEqual([false]);
  await expect.poll(() => session.sent, { timeout: 10_000 }).toBeGreaterThan(50);
  server.dropSocket(session);
  await expect.poll(() => resumes, { timeout: 10_000 }).toEqual([false, true]);
  server.loseMedia(session);

  const run = await running;

  expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
  const { calls } = JSON.parse(run.stdout) as CallReport;
  expect(resumes).toEqual([false, true, false]);
  expect(calls[0]).toMatchObject({ sessionId: 's1', reconnects: 3 });
  expect(calls[0]!.turns).toHaveLength(2);
});

test.concurrent('an agent that says its last words and hangs up has answered', { timeout: 30_000 }, async ({
  expect,
  onTestFinished,
}) => {
  let quietFrames = -1;
  const server = await serve(onTestFinished, () => ({
    heard: (agent, _payload, voiced) => {
      if (voiced) quietFrames = 0;
      else if (quietFrames >= 0) quietFrames++;
      if (quietFrames === ENDPOINT_FRAMES) {
        agent.say(tone);
        setTimeout(() => agent.end({ code: 'agent-hung-up', reason: 'Goodbye.' }), 520);
        quietFrames = -1_000;
      }
    },
  }));

  const run = await call('--url', server.url, '--agent', 'bye', '--json', '--say', join(AUDIO, 'goodbye.wav'));

  expect(run).toMatchObject({ code: 0, signal: null, stderr: '' });
});

test.concurrent('a refused session is told in the words of the server', { timeout: 30_000 }, async ({
  expect,
  onTestFinished,
}) => {
  const server = await serve(onTestFinished, () => null);

  const run = await call('--url', server.url, '--agent', 'nobody', '--json', '--say', join(AUDIO, 'goodbye.wav'));

  expect(run).toMatchObject({ code: 1, signal: null });
  const { calls } = JSON.parse(run.stdout) as CallReport;
  expect(calls[0]).toMatchObject({
    sessionId: null,
    connectMs: null,
    error: { code: 'ERR_AGENT_UNKNOWN', message: 'No agent nobody.' },
  });
});

test.concurrent('a server that is not there is told as such, and several calls make several results', {
  timeout: 30_000,
}, async ({ expect }) => {
  const run = await call('--url', 'http://127.0.0.1:1', '--calls', '2', '--json', '--say', join(AUDIO, 'goodbye.wav'));

  expect(run).toMatchObject({ code: 1, signal: null });
  const { calls, summary } = JSON.parse(run.stdout) as CallReport;
  expect(calls.map((one) => one.error?.code)).toEqual(['ERR_SERVICE_UNAVAILABLE', 'ERR_SERVICE_UNAVAILABLE']);
  expect(summary).toMatchObject({ connected: 0, failed: 2 });
});

test.concurrent('wrong arguments and unusable files end with exit code 2 and words on stderr', {
  timeout: 30_000,
}, async ({ expect }) => {
  expect(await call('--agent', 'echo')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'antipode call: --say FILE is missing: a call needs something to say (ERR_REQUEST_MALFORMED)\n',
  });
  const missing = await call('--say', join(folder, 'no-such.wav'));
  expect(missing).toMatchObject({ code: 2, stdout: '' });
  expect(missing.stderr).toContain('no-such.wav');
});
