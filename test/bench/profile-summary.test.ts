import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profileSummary } from '../../bench/nodes/profile-summary.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'antipode-profile-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('the summary of a profile', () => {
  it('gives shares by part and by function, native functions to the part that called them', async () => {
    const frame = (functionName: string, path: string) => ({
      functionName,
      url: path === '' ? '' : pathToFileURL(join(process.cwd(), path)).href,
      lineNumber: 9,
    });
    const file = join(folder, 'a.cpuprofile');
    await writeFile(
      file,
      JSON.stringify({
        nodes: [
          { id: 1, callFrame: frame('(root)', ''), children: [2, 3, 5] },
          { id: 2, callFrame: frame('(idle)', '') },
          { id: 3, callFrame: frame('send', 'node_modules/mediasoup/node/lib/Channel.js'), children: [4] },
          { id: 4, callFrame: frame('writev', '') },
          { id: 5, callFrame: frame('#hear', 'src/core/ear.ts') },
        ],
        samples: [2, 3, 4, 5],
        timeDeltas: [400, 100, 300, 200],
      }),
    );
    expect(await profileSummary(file, 2)).toEqual([
      'by part:',
      ' 40.0 %  (idle)',
      ' 40.0 %  mediasoup',
      ' 20.0 %  src/core',
      'by function:',
      ' 40.0 %  (idle)',
      ' 30.0 %  writev',
    ]);
  });
});
