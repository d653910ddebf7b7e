/** Preloaded into a node (`--import`): SIGUSR2 collects all garbage, so that the heap that is left can be compared. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
});
