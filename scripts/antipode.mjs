#!/usr/bin/env node
/** The command `antipode`: src/main.ts under Node 24, with the worker that the set-up has got. */

import { exitWith } from './setup/exit.mjs';
import { launch } from './setup/launch.mjs';

/** The commands that carry media. */
const NEED_WORKER = new Set(['dev', 'edge', 'core']);

const args = process.argv.slice(2);
await exitWith(() => launch('src/main.ts', args, { needsWorker: NEED_WORKER.has(args[0] ?? '') }));
