/** Hosts in network namespaces: they reach each other, and what is cut is cut that way alone. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isInNamespace, NamespaceNetwork, namespacesMissing } from './namespaces.ts';

const run = promisify(execFile);

test.skipIf(namespacesMissing() !== null)('cut one way, packets go the other way alone', async () => {
  const before = (await run('ip', ['-o', 'link'])).stdout;
  const { stdout } = await run(
    'unshare',
    ['--net', process.execPath, join(import.meta.dirname, 'namespaces-child.ts')],
    {
      env: { ...process.env, ANTIPODE_TEST_NAMESPACE: '1' },
    },
  );
  expect(JSON.parse(stdout)).toEqual({
    whole: { aToB: true, bToA: true },
    cut: { aToB: false, bToA: true },
    mended: { aToB: true, bToA: true },
  });
  expect((await run('ip', ['-o', 'link'])).stdout, 'nothing is left on this machine').toBe(before);
});

test('a process in the machine’s own namespace does not become a router', async () => {
  expect(isInNamespace()).toBe(false);
  await expect(NamespaceNetwork.open()).rejects.toThrow('a router needs a network namespace of its own');
});
