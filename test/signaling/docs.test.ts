import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.ts';
import { CLOSE_CODES, signalingEvents, signalingRequests } from '../../src/signaling/index.ts';
import { startPop } from './support/pop.ts';

const run = promisify(execFile);
const document = await readFile(new URL('../../docs/signaling.md', import.meta.url), 'utf8');

describe('docs/signaling.md', () => {
  it('names every method, event and close code of the protocol', () => {
    for (const method of Object.keys(signalingRequests)) expect(document).toContain(`| \`${method}\` |`);
    for (const event of Object.keys(signalingEvents)) expect(document).toContain(`| \`${event}\` |`);
    for (const code of Object.values(CLOSE_CODES)) expect(document).toContain(`| ${code} |`);
  });

  it('names no error code that does not exist', () => {
    const named = new Set(document.match(/ERR_[A-Z_]+[A-Z]/g));
    const families = ['ERR_BACKBONE', 'ERR_MEDIA'];
    for (const code of named) if (!families.includes(code)) expect(Object.keys(ERROR_CODES)).toContain(code);
  });

  it('has a minimal client that runs', { timeout: 20_000 }, async () => {
    const example = document.match(/```js\n([\s\S]*?)```/)?.[1] ?? '';
    const dir = await mkdtemp(join(tmpdir(), 'antipode-docs-'));
    try {
      const pop = await startPop({ config: { auth: { openAgents: ['*'] } } });
      const file = join(dir, 'client.mjs');
      await writeFile(file, example);
      const { stdout } = await run(process.execPath, [file], { env: { ANTIPODE_URL: pop.server.url } });
      expect(stdout.trim().split('\n')).toEqual([
        `joined ${pop.edge.calls[0]!.request.sessionId} with The echo`,
        'ping 2026-01-01T12:00:00.000Z',
        'event session-ended {"code":"caller-left","reason":"The caller left."}',
        'closed 4000 session ended',
      ]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
