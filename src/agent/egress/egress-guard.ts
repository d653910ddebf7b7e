/**
 * Stops what a pinned session's code sends to where it must not: every TCP connection (TLS, HTTP, WebSockets), every
 * request and every byte over a connection that somebody else had opened, every datagram, every name that is looked up, and
 * every program and thread that is started. Owns who wants the hooks in Node; each hook is in a file of its own, the rule is
 * the session's EgressContext. What sessions without a pin reach is told in the same way. Code that works for no session
 * pays a look-up.
 *
 * What it cannot see: native code that opens sockets by itself. Operators who must exclude that run such agents without it
 * and add a network policy.
 */
import { guardDatagrams } from './guard-datagrams.ts';
import { guardNames } from './guard-names.ts';
import { guardPrograms } from './guard-programs.ts';
import { guardFetch, guardHttp2, guardRequests } from './guard-requests.ts';
import { guardSockets } from './guard-sockets.ts';

/** Who wants the hooks: they are the process's, and so is this count. */
let users = 0;
let undo: (() => void)[] = [];

/** Install the hooks, unless they are; the returned function takes them out when nobody wants them any more. */
export function installEgressGuard(): () => void {
  users += 1;
  if (users === 1) {
    undo = [
      ...[guardSockets(), guardRequests(), guardHttp2(), guardFetch()],
      ...[guardDatagrams(), guardNames(), guardPrograms()],
    ];
  }
  let installed = true;
  return () => {
    if (!installed) return;
    installed = false;
    users -= 1;
    if (users === 0) for (const each of undo.splice(0)) each();
  };
}
