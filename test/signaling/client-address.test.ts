import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressKey, ClientAddresses } from '../../src/signaling/client-address.ts';

describe('ClientAddresses', () => {
  const addresses = new ClientAddresses(['10.0.0.0/8', '::1', '127.0.0.1']);
  const of = (remoteAddress: string, headers: Record<string, string> = {}) =>
    addresses.of({ socket: { remoteAddress }, headers } as unknown as IncomingMessage);

  it.each([
    ['8.8.8.8', '1.1.1.1', '8.8.8.8'],
    ['10.1.1.1', '1.1.1.1', '1.1.1.1'],
    ['::ffff:10.1.1.1', '1.1.1.1', '1.1.1.1'],
    ['10.1.1.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    ['10.1.1.1', '6.6.6.6, 1.1.1.1, 10.2.2.2', '1.1.1.1'],
    ['10.1.1.1', 'nonsense', '10.1.1.1'],
    ['10.1.1.1', '', '10.1.1.1'],
    ['10.1.1.1', '2001:db8::1', '2001:db8::1'],
  ])('a request from %s for "%s" is from %s', (peer, forwardedFor, address) => {
    expect(of(peer, { 'x-forwarded-for': forwardedFor }).address).toBe(address);
  });

  it('believes a trusted proxy about TLS, and nobody else', () => {
    expect(of('10.1.1.1', { 'x-forwarded-proto': 'https' }).secure).toBe(true);
    expect(of('8.8.8.8', { 'x-forwarded-proto': 'https' }).secure).toBe(false);
  });

  it('takes nothing for local that somebody may stand behind', () => {
    const bare = new ClientAddresses([]);
    const from = (headers: Record<string, string>) =>
      bare.of({ socket: { remoteAddress: '127.0.0.1' }, headers } as unknown as IncomingMessage).local;
    expect(from({})).toBe(true);
    for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']) expect(from({ [name]: 'x' })).toBe(false);
    expect(of('127.0.0.1', { 'x-forwarded-for': '8.8.8.8' }).local).toBe(false);
    expect(of('8.8.8.8').local).toBe(false);
  });

  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:0DB8:0001::', '2001:db8:1:0::/64'],
  ])('counts %s under %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
