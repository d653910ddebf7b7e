/**
 * From the start of POST /v1/sessions to the first audio of the agent's reply, by a real WebRTC caller on loopback: the
 * request, the WebSocket, ICE, DTLS, the greeting's first sound. One call after another against one server.
 */
import { runCalls } from '../src/call/index.ts';
import { startServer } from '../test/e2e/support/server.ts';
import { type BenchOptions, percentile, result } from './result.ts';

export async function run({ runs = 20, progress, signal }: BenchOptions) {
  await using server = await startServer({ environment: { ANTIPODE_LOG_LEVEL: 'warn' } });
  const connect: number[] = [];
  const firstAudio: number[] = [];
  let failed = 0;
  for (let index = 0; index <= runs; index++) {
    signal.throwIfAborted();
    progress(`call ${index} of ${runs}`);
    const report = await runCalls({
      url: server.url,
      agent: 'front-desk',
      say: [],
      interruptWith: null,
      record: null,
      calls: 1,
      rampSeconds: 0,
      apiKey: null,
    });
    const call = report.calls[0];
    if (index === 0) continue; // the first warms the server's pipe and the voice
    if (call?.connectMs == null || call.firstAudioMs == null) failed += 1;
    else {
      connect.push(call.connectMs);
      firstAudio.push(call.firstAudioMs);
    }
  }
  return result(
    'join',
    'How long from asking for a session to the first audio of the reply, on loopback?',
    {
      calls: runs,
      failed,
      connectP50Ms: percentile(connect, 50),
      connectP95Ms: percentile(connect, 95),
      firstAudioP50Ms: percentile(firstAudio, 50),
      firstAudioP95Ms: percentile(firstAudio, 95),
      firstAudioMaxMs: percentile(firstAudio, 100),
    },
    { firstAudioP50Ms: 500, failed: 0 },
  );
}
