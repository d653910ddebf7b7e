/** UDP ports that nobody uses now, one after the other. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** @param ips where they must be free */
export async function freePorts(count: number, ips: readonly string[]): Promise<{ min: number; max: number }> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const min = 20_000 + Math.floor(Math.random() * 10_000);
    const sockets = ips.flatMap((ip) => Array.from({ length: count }, (_, at) => ({ ip, port: min + at })));
    const open = sockets.map(async ({ ip, port }) => {
      const socket = createSocket('udp4');
      try {
        socket.bind(port, ip);
        await once(socket, 'listening');
        return true;
      } catch {
        return false;
      } finally {
        socket.close();
      }
    });
    if ((await Promise.all(open)).every(Boolean)) return { min, max: min + count - 1 };
  }
  throw new Error('no free ports');
}
