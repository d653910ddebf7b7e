/** `antipode eval` in spoken calls, as a process: flite calls the front desk, pocketsphinx hears it, nobody has a key. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT, startServer } from './support/server.ts';

interface Answer {
  code: number;
  report: {
    passed: boolean;
    configs: {
      evals: {
        name: string;
        passed: boolean;
        runs: { turns: { latencyMs: number | null; silentAfterMs: number | null }[]; endedBy: string }[];
      }[];
    }[];
  };
  err: string;
}

function runEval(...argv: string[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { cwd: ROOT, env: { ...process.env, OPENAI_API_KEY: '' }, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, ['src/main.ts', 'eval', '--json', ...argv], options, (error, out, err) => {
      const code = error ? error.code : 0;
      if (typeof code !== 'number' || out === '') reject(new Error(`it ended by ${code}: ${err}`, { cause: error }));
      else resolve({ code, report: JSON.parse(out), err });
    });
  });
}

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'antipode-e2e-eval-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

// Real time through a synthetic voice: on a machine that does other things besides, a word may be lost twice.
test('the suite of the front desk passes in spoken calls, with the sound to listen to', { retry: 2 }, async () => {
  const dir = await folder();
  const page = join(dir, 'page.html');
  const leftovers = async () => (await readdir(tmpdir())).filter((name) => /^antipode-eval-\w{6}$/.test(name));
  const before = await leftovers();
  const { code, report, err } = await runEval('agents/front-desk.voice.eval.yaml', '--html', page);
  expect(err).toBe('');
  expect(report.configs[0]?.evals.filter(({ passed }) => !passed)).toEqual([]);
  expect(code).toBe(0);

  const [books, counts, noisy] = report.configs[0]!.evals;
  expect(books?.runs[0]?.turns.map(({ latencyMs }) => latencyMs !== null && latencyMs > 100)).toEqual([true, true]);
  expect(counts?.runs[0]?.turns[1]?.silentAfterMs).toBeGreaterThan(0);
  expect(noisy?.runs[0]?.endedBy).toBe('agent');

  const html = await readFile(page, 'utf8');
  const sounds = [...html.matchAll(/src="data:audio\/wav;base64,([^"]+)"/g)].map(([, data]) =>
    Buffer.from(data!, 'base64'),
  );
  expect(sounds).toHaveLength(3);
  for (const wav of sounds) expect(wav.readUInt32LE(24)).toBe(16_000);
  // The first call takes longer than 8 s; both sides are on it.
  expect(sounds[0]!.length).toBeGreaterThan(8 * 32_000);
  expect(await leftovers()).toEqual(before);
});

test('a spoken eval fails where the sound is another than is expected, at a server that runs already', async () => {
  await using server = await startServer();
  const file = join(await folder(), 'wrong.yaml');
  const text = `version: 1
agent: front-desk
mode: voice
evals:
  - name: wrong
    voice: { accent: slt }
    caller:
      turns:
        - say: I would like to book a table
          expect: { sounds: { like: 'The kitchen has closed for today.', unlike: ['For how many people?'] } }
`;
  await writeFile(file, text);
  const { code, report } = await runEval(file, '--url', server.url);
  expect(code).toBe(1);
  // What it made of the sound is told; which words a recognizer makes of them is its own affair.
  expect(JSON.stringify(report)).toMatch(/it sounded like \\"[a-z ]+\\"/);
});
