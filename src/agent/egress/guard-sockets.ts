/**
 * The hooks in TCP sockets: where they connect to, and who writes to one that is open. A connection that may not be made
 * or used fails as one that the network broke, for whoever opened it handles that already; so one that a tool shares
 * between sessions is lost to all of them when a pinned one writes to it that must not.
 */
import net from 'node:net';
import { Duplex } from 'node:stream';
import { asAntipodeError } from '../../errors.ts';
import { currentEgress, type EgressContext } from './egress-context.ts';

interface Target {
  readonly host: string;
  readonly port: number | null;
}

/** Where a socket was connected to, and the last session that was found to be allowed that. */
interface Opened extends Target {
  allowedFor: EgressContext | null;
}

/** @returns what takes the hooks out */
export function guardSockets(): () => void {
  const opened = new WeakMap<net.Socket, Opened>();
  const prototype = net.Socket.prototype;
  const { connect, end } = prototype;
  prototype.connect = function guardedConnect(this: net.Socket, ...args: unknown[]): net.Socket {
    const target = targetOf(args);
    const egress = currentEgress();
    try {
      if (target !== null) egress?.check(target.host, target.port, 'tcp');
    } catch (error) {
      breakOff(this, error);
      return this;
    }
    if (target === null) opened.delete(this);
    else opened.set(this, { ...target, allowedFor: egress });
    return Reflect.apply(connect, this, args);
  } as typeof connect;

  /** Whether the session that writes may have its data go where the socket leads. */
  const mayWrite = (socket: net.Socket): boolean => {
    const egress = currentEgress();
    if (egress === null) return true;
    const to = opened.get(socket) ?? opened.get((socket as { _parent?: net.Socket })._parent!);
    // Accepted by us, or a socket of this machine's own file system.
    if (to === undefined || to.allowedFor === egress) return true;
    try {
      egress.check(to.host, to.port, 'tcp');
      to.allowedFor = egress;
      return true;
    } catch (error) {
      breakOff(socket, error);
      return false;
    }
  };
  // A socket inherits `write`; ours is its own for as long as the hook is in.
  const { write } = Duplex.prototype;
  prototype.write = function guardedWrite(this: net.Socket, ...args: Parameters<typeof write>): boolean {
    return mayWrite(this) && Reflect.apply(write, this, args);
  } as typeof write;
  prototype.end = function guardedEnd(this: net.Socket, ...args: Parameters<typeof end>): net.Socket {
    const sends = args[0] !== undefined && args[0] !== null && typeof args[0] !== 'function';
    return sends && !mayWrite(this) ? this : Reflect.apply(end, this, args);
  } as typeof end;
  return () => {
    Object.assign(prototype, { connect, end });
    Reflect.deleteProperty(prototype, 'write');
  };
}

function breakOff(socket: net.Socket, error: unknown): void {
  process.nextTick(() => socket.destroy(asAntipodeError(error, 'ERR_INTERNAL', 'A connection was stopped.')));
}

/** Where `Socket.connect(...)` goes; null for a path. */
function targetOf(args: readonly unknown[]): Target | null {
  // Node hands an already normalized list on, as its first argument.
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof first === 'object' && first !== null) {
    const { path, host, port } = first as { path?: string; host?: string; port?: number | string };
    return path ? null : { host: host || 'localhost', port: port === undefined ? null : Number(port) };
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return null;
  return { host: typeof args[1] === 'string' ? args[1] : 'localhost', port: Number(first) };
}
