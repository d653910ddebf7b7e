import { describe, expect, it } from 'vitest';
import { OwnOrigin } from '../../src/signaling/own-origin.ts';

describe('OwnOrigin', () => {
  const own = new OwnOrigin({ host: 'pop.lan', publicUrl: null });

  it.each([
    ['localhost:8080', true],
    ['LOCALHOST', true],
    ['pop.lan:80', true],
    ['127.0.0.1:8080', true],
    ['192.168.1.5', true],
    ['[::1]:8080', true],
    ['localhost.evil.example', false],
    ['evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['user@localhost', false],
    ['localhost:8080/path', false],
    ['', false],
    [undefined, false],
  ])('owns the Host %s: %s', (host, owned) => {
    expect(own.ownsHost(host)).toBe(owned);
  });

  it('builds the signaling URL for the name that the caller used, and never for a foreign one', () => {
    expect(own.signalingUrl('192.168.1.5:8080', false, 'http://x:1')).toBe('ws://192.168.1.5:8080/v1/signaling');
    expect(own.signalingUrl('pop.lan', true, 'http://x:1')).toBe('wss://pop.lan/v1/signaling');
    expect(own.signalingUrl('evil.example', false, 'http://localhost:8080')).toBe('ws://localhost:8080/v1/signaling');
  });
});
