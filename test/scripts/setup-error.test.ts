/** Telling a full disk from a read-only one, and both from everything else. */
import { expect, test } from 'vitest';
import { explainUnwritable, SetupError } from '../../scripts/setup/setup-error.mjs';

const failing = (code: string) => () => Promise.reject(Object.assign(new Error('trouble'), { code }));

test('a full disk and a read-only directory are told apart, by name', async () => {
  await expect(explainUnwritable('/cache', failing('ENOSPC'))).rejects.toMatchObject({
    code: 'ERR_SETUP_CACHE',
    message: '/cache has no space left.',
  });
  await expect(explainUnwritable('/cache', failing('EROFS'))).rejects.toMatchObject({
    code: 'ERR_SETUP_CACHE',
    message: "/cache can't be written to (EROFS).",
  });
});

test('a compiler that printed that the disk is full is believed', async () => {
  const build = new SetupError('ERR_SETUP_WORKER_BUILD', 'no', { output: 'as: a.o: No space left on device' });
  const explained = explainUnwritable('/cache', () => Promise.reject(build));
  await expect(explained).rejects.toMatchObject({ code: 'ERR_SETUP_CACHE', output: build.output, cause: build });
});

test('the directory that was named first stays named', async () => {
  const inner = () => explainUnwritable('/cache', failing('ENOSPC'));
  await expect(explainUnwritable('/clone', inner)).rejects.toThrow('/cache has no space left.');
});

test('another error passes unchanged', async () => {
  await expect(explainUnwritable('/cache', failing('ECONNRESET'))).rejects.toMatchObject({ code: 'ECONNRESET' });
});
