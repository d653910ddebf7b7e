#!/usr/bin/env node
/** The command `antipode`: src/main.ts under Node 24, with the worker that the set-up has got. */

import { exitWith } from './setup/exit.mjs';
import { launch } from './setup/launch.mjs';
import { runtimeFlags } from './setup/runtime-flags.mjs';

/** The commands that carry media. */
const NEED_WORKER = new Set(['dev', 'edge', 'core']);

const args = process.argv.slice(2);
const isServer = NEED_WORKER.has(args[0] ?? '');
await exitWith(() => launch('src/main.ts', args, { needsWorker: isServer, flags: isServer ? runtimeFlags() : [] }));
