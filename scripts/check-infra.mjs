/**
 * `npm run check:infra`: what can be said of infra/ without a cloud. Each check ends with what it could not check on this
 * machine; the checks themselves are test/infra's, and part of `npm test` too. Exits 1 when something is wrong.
 */
import { checksOf } from '../test/infra/checks.ts';

const checks = checksOf();
let wrong = 0;
let left = 0;
for (const { name, run } of checks) {
  const { checked, problems, notChecked } = await run();
  console.log(`${problems.length === 0 ? 'fine ' : 'WRONG'} ${name}: ${checked}`);
  for (const problem of problems) console.log(`      ${problem.replaceAll('\n', '\n      ')}`);
  console.log(`      ${notChecked === null ? 'Nothing is left unchecked.' : `NOT CHECKED: ${notChecked}.`}`);
  wrong += problems.length;
  if (notChecked !== null) left += 1;
}
const verdict = wrong === 0 ? 'Nothing is wrong' : `${wrong} problems`;
console.log(`\n${verdict}; ${left} of ${checks.length} checks leave something unchecked, as each says.`);
process.exitCode = wrong === 0 ? 0 : 1;
