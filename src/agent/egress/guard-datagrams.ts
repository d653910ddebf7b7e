/** The hooks in UDP sockets: every datagram is asked for by where it goes. */
import dgram from 'node:dgram';
import { currentEgress } from './egress-context.ts';

/** @returns what takes the hooks out */
export function guardDatagrams(): () => void {
  const { send, connect } = dgram.Socket.prototype;
  /** Where connected sockets send to. */
  const connected = new WeakMap<dgram.Socket, string>();
  const check = (host: unknown, port: unknown): void => {
    const name = typeof host === 'string' ? host : 'localhost';
    currentEgress()?.check(name, typeof port === 'number' ? port : null, 'udp');
  };
  dgram.Socket.prototype.send = function guardedSend(this: dgram.Socket, ...args: unknown[]): void {
    if (currentEgress() !== null) {
      // send(message, [offset, length,] [port] [, address] [, callback])
      const address = args.find((arg, index) => index > 0 && typeof arg === 'string');
      check(address ?? connected.get(this), null);
    }
    Reflect.apply(send, this, args);
  } as typeof send;
  dgram.Socket.prototype.connect = function guardedConnect(this: dgram.Socket, ...args: unknown[]): void {
    check(args[1], args[0]);
    if (typeof args[1] === 'string') connected.set(this, args[1]);
    Reflect.apply(connect, this, args);
  } as typeof connect;
  return () => {
    dgram.Socket.prototype.send = send;
    dgram.Socket.prototype.connect = connect;
  };
}
