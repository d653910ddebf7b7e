/** infra/ is whole as far as it can be seen without a cloud, and each check says what it could not see. */
import { describe, expect, test } from 'vitest';
import { checksOf } from './checks.ts';

describe('infra', () => {
  test.each(checksOf())('$name: nothing is wrong', { timeout: 120_000 }, async ({ name, run }) => {
    const { problems, notChecked } = await run();
    // Also in a run that passes: whoever reads it should know what it did not show.
    if (notChecked !== null) process.stderr.write(`NOT CHECKED (${name}): ${notChecked}.\n`);
    expect(problems).toEqual([]);
  });

  test('without terraform and kubectl the checks that need them say loudly that they looked at nothing', async () => {
    const results = await Promise.all(checksOf(() => null).map(async ({ name, run }) => ({ name, ...(await run()) })));
    expect(
      results.filter(({ checked }) => checked === 'nothing').map(({ name, notChecked }) => [name, notChecked]),
    ).toEqual([
      ['Terraform, format', 'the format of all files: there is no terraform here'],
      ['Terraform, the plan module', 'modules/plan and its tests: there is no terraform here'],
      ['Terraform, live/ with stand-ins', 'a plan of live/: there is no terraform here'],
      ['Kubernetes', 'all manifests: there is no kubectl here to put them together'],
    ]);
  });
});
