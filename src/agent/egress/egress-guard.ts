/**
 * Stops what a pinned session's code sends to where it must not: every TCP connection (TLS, HTTP, WebSockets), every
 * request over a connection that somebody else had opened, every datagram, and every program that is started. Owns the
 * hooks in Node; the rule is the session's EgressContext. Code that works for no pinned session pays a look-up.
 *
 * What it cannot see: a worker thread of a tool's own, native code that opens sockets by itself, and names that are
 * looked up (DNS). Operators who must exclude those run such agents without them and add a network policy.
 */
import childProcess from 'node:child_process';
import dgram from 'node:dgram';
import diagnostics from 'node:diagnostics_channel';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { asAntipodeError } from '../../errors.ts';
import { currentEgress } from './egress-context.ts';

/** Redirects that a fetch follows, as browsers do. */
const MAX_REDIRECTS = 20;

/** Who wants the hooks: they are the process's, and so is this count. */
let users = 0;
let undo: (() => void)[] = [];

/** Install the hooks, unless they are; the returned function takes them out when nobody wants them any more. */
export function installEgressGuard(): () => void {
  users += 1;
  if (users === 1) undo = [guardSockets(), guardRequests(), guardFetch(), guardDatagrams(), guardPrograms()];
  let installed = true;
  return () => {
    if (!installed) return;
    installed = false;
    users -= 1;
    if (users === 0) for (const each of undo.splice(0)) each();
  };
}

/** Connections. A path is a socket of this machine's own file system. */
function guardSockets(): () => void {
  const original = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function connect(this: net.Socket, ...args: unknown[]): net.Socket {
    const egress = currentEgress();
    if (egress !== null) {
      const target = targetOf(args);
      try {
        if (target !== null) egress.check(target.host, target.port, 'tcp');
      } catch (error) {
        // As a failed connection: whoever opened it handles that already.
        process.nextTick(() => this.destroy(asAntipodeError(error, 'ERR_INTERNAL', 'A connection was stopped.')));
        return this;
      }
    }
    return Reflect.apply(original, this, args);
  } as typeof original;
  return () => {
    net.Socket.prototype.connect = original;
  };
}

/** Where `Socket.connect(...)` goes; null for a path. */
function targetOf(args: readonly unknown[]): { host: string; port: number | null } | null {
  // Node hands an already normalized list on, as its first argument.
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof first === 'object' && first !== null) {
    const { path, host, port } = first as { path?: string; host?: string; port?: number | string };
    return path ? null : { host: host || 'localhost', port: port === undefined ? null : Number(port) };
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return null;
  return { host: typeof args[1] === 'string' ? args[1] : 'localhost', port: Number(first) };
}

/** HTTP requests, which may go out over a connection that another session had opened. */
function guardRequests(): () => void {
  const onRequest = (message: unknown): void => {
    const egress = currentEgress();
    if (egress === null) return;
    const { request } = message as { request: { host?: string; socketPath?: string; destroy(error: Error): void } };
    try {
      if (!request.socketPath) egress.check(request.host || 'localhost', null, 'http');
    } catch (error) {
      request.destroy(asAntipodeError(error, 'ERR_INTERNAL', 'A request was stopped.'));
    }
  };
  diagnostics.subscribe('http.client.request.created', onRequest);
  return () => void diagnostics.unsubscribe('http.client.request.created', onRequest);
}

/** The built-in fetch has connections of its own that it keeps: each address is asked for, redirects too. */
function guardFetch(): () => void {
  const original = globalThis.fetch;
  const guarded: typeof fetch = async (input, init) => {
    const egress = currentEgress();
    if (egress === null) return original(input, init);
    let request = new Request(input, init);
    const follows = request.redirect === 'follow';
    for (let redirects = 0; ; redirects++) {
      const { hostname, port } = new URL(request.url);
      egress.check(hostname, port === '' ? null : Number(port), 'fetch');
      if (!follows) return original(request);
      const replay = request.body === null ? null : request.clone();
      const response = await original(new Request(request, { redirect: 'manual' }));
      const location = response.headers.get('location');
      if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return response;
      await response.body?.cancel();
      if (redirects === MAX_REDIRECTS) throw new TypeError('fetch failed: redirected too often');
      request = redirected(replay ?? request, new URL(location, request.url), response.status);
    }
  };
  globalThis.fetch = guarded;
  return () => {
    globalThis.fetch = original;
  };
}

/** The next request, as the Fetch Standard makes it: without a body after a 303, without secrets to another origin. */
function redirected(from: Request, to: URL, status: number): Request {
  const becomesGet = status === 303 || (status !== 307 && status !== 308 && from.method === 'POST');
  const headers = new Headers(from.headers);
  if (new URL(from.url).origin !== to.origin) {
    for (const name of ['authorization', 'proxy-authorization', 'cookie']) headers.delete(name);
  }
  if (becomesGet) for (const name of ['content-type', 'content-length']) headers.delete(name);
  const method = becomesGet && from.method !== 'HEAD' ? 'GET' : from.method;
  const body = becomesGet ? null : from.body;
  return new Request(to, { method, headers, body, signal: from.signal, ...(body && { duplex: 'half' }) });
}

function guardDatagrams(): () => void {
  const { send, connect } = dgram.Socket.prototype;
  const check = (host: unknown, port: unknown): void => {
    currentEgress()?.check(
      typeof host === 'string' ? host : 'localhost',
      typeof port === 'number' ? port : null,
      'udp',
    );
  };
  dgram.Socket.prototype.send = function guardedSend(this: dgram.Socket, ...args: unknown[]): void {
    if (currentEgress() !== null) {
      // send(message, [offset, length,] [port] [, address] [, callback])
      const address = args.find((arg, index) => index > 0 && typeof arg === 'string');
      check(address, null);
    }
    Reflect.apply(send, this, args);
  } as typeof send;
  dgram.Socket.prototype.connect = function guardedConnect(this: dgram.Socket, ...args: unknown[]): void {
    if (currentEgress() !== null) check(args[1], args[0]);
    Reflect.apply(connect, this, args);
  } as typeof connect;
  return () => {
    dgram.Socket.prototype.send = send;
    dgram.Socket.prototype.connect = connect;
  };
}

/** A program of a tool's could send anything anywhere; ours are started by `withoutEgress`. */
function guardPrograms(): () => void {
  const check = (program: unknown): void => {
    currentEgress()?.check(`program:${String(program)}`, null, 'program');
  };
  // What every asynchronous way to start a program comes down to; the types do not know it.
  const prototype = childProcess.ChildProcess.prototype as unknown as { spawn(options: { file?: string }): unknown };
  const { spawn } = prototype;
  prototype.spawn = function guardedSpawn(options) {
    check(options.file);
    return Reflect.apply(spawn, this, [options]);
  };
  const { spawnSync, execSync, execFileSync } = childProcess;
  const guarded = <F extends (file: never, ...rest: never[]) => unknown>(original: F): F =>
    function guardedSync(this: unknown, ...args: Parameters<F>): unknown {
      check(args[0]);
      return Reflect.apply(original, this, args);
    } as F;
  Object.assign(childProcess, {
    spawnSync: guarded(spawnSync),
    execSync: guarded(execSync),
    execFileSync: guarded(execFileSync),
  });
  syncBuiltinESMExports();
  return () => {
    prototype.spawn = spawn;
    Object.assign(childProcess, { spawnSync, execSync, execFileSync });
    syncBuiltinESMExports();
  };
}
