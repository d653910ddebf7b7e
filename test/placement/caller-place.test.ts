import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { addressKind, CallerPlaces } from '../../src/placement/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A database thread that answers when the test says so. */
class FakeWorker extends EventEmitter {
  asked: { id: number; address: string }[] = [];
  terminated = 0;
  postMessage(message: { id: number; address: string }) {
    this.asked.push(message);
  }
  unref() {}
  async terminate() {
    this.terminated++;
    return 0;
  }
}

function fixture() {
  const clock = new FakeClock();
  const workers: FakeWorker[] = [];
  const places = new CallerPlaces({
    clock,
    lookupTimeoutMs: 50,
    startWorker: () => {
      const worker = new FakeWorker();
      workers.push(worker);
      return worker;
    },
  });
  return { clock, workers, places };
}

const toClose: CallerPlaces[] = [];
afterEach(async () => {
  for (const places of toClose.splice(0)) await places.close();
});

describe('CallerPlaces', () => {
  it('says what a local address is without loading the database', async () => {
    const { places, workers } = fixture();
    expect(await places.place('127.0.0.1')).toEqual({
      country: null,
      city: null,
      at: null,
      withinKm: null,
      how: 'the address is loopback',
    });
    expect((await places.place('::1')).how).toBe('the address is loopback');
    expect((await places.place('10.1.2.3')).how).toBe('the address is private');
    expect((await places.place('not an address')).how).toBe('the address is malformed');
    expect(workers).toHaveLength(0);
  });

  it('answers "unknown yet" at once while the database loads, and starts one thread only', async () => {
    const { places, workers } = fixture();
    const [first, second] = await Promise.all([places.place('8.8.8.8'), places.place('1.1.1.1')]);
    expect(first.how).toContain('unknown yet');
    expect(second.how).toContain('unknown yet');
    expect(workers).toHaveLength(1);
    expect(workers[0]!.asked).toEqual([]);
  });

  it('can have the database loaded before the first caller comes, once', () => {
    const { places, workers } = fixture();
    places.load();
    places.load();
    expect(workers).toHaveLength(1);
  });

  it('answers with country and city once it is loaded', async () => {
    const { places, workers } = fixture();
    await places.place('8.8.8.8');
    workers[0]!.emit('message', { ready: true });
    const answer = places.place('::ffff:8.8.8.8');
    expect(workers[0]!.asked).toEqual([{ id: 1, address: '8.8.8.8' }]);
    workers[0]!.emit('message', {
      id: 1,
      country: 'US',
      city: null,
      at: { lat: 37.751, lon: -97.822 },
      withinKm: 1_000,
    });
    expect(await answer).toEqual({
      country: 'US',
      city: null,
      at: { lat: 37.751, lon: -97.822 },
      withinKm: 1_000,
      how: 'geoip-lite, by address',
    });
  });

  it('does not keep a session request longer than its timeout', async () => {
    const { places, workers, clock } = fixture();
    await places.place('8.8.8.8');
    workers[0]!.emit('message', { ready: true });
    const answer = places.place('8.8.8.8');
    clock.advance(50);
    expect((await answer).how).toBe('the place database did not answer in time');
  });

  it('says so when the database cannot be loaded, and asks no further', async () => {
    const { places, workers } = fixture();
    await places.place('8.8.8.8');
    workers[0]!.emit('error', new Error('no such file'));
    workers[0]!.emit('exit', 1);
    expect(await places.place('8.8.8.8')).toEqual({
      country: null,
      city: null,
      at: null,
      withinKm: null,
      how: 'the place database could not be loaded',
    });
    expect(workers).toHaveLength(1);
  });

  it('answers what is under way when it closes, and closes twice', async () => {
    const { places, workers } = fixture();
    await places.place('8.8.8.8');
    workers[0]!.emit('message', { ready: true });
    const answer = places.place('8.8.8.8');
    await places.close();
    await places.close();
    expect((await answer).how).toBe('the POP is shutting down');
    expect(workers[0]!.terminated).toBe(1);
  });

  it('knows a public address by the real database, in its thread', { timeout: 20_000 }, async () => {
    const places = new CallerPlaces({ lookupTimeoutMs: 5_000 });
    toClose.push(places);
    let place = await places.place('1.1.1.1');
    while (place.how.startsWith('unknown yet')) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      place = await places.place('1.1.1.1');
    }
    expect(place).toMatchObject({ country: 'AU', how: 'geoip-lite, by address' });
    const sydney = await places.place('129.94.242.2');
    expect(sydney).toMatchObject({ country: 'AU', city: 'Kensington' });
    expect(sydney.at!.lat).toBeCloseTo(-33.9, 0);
    expect(sydney.at!.lon).toBeCloseTo(151.2, 0);
    expect(await places.place('2001:388::1')).toMatchObject({ country: 'AU', city: null, at: { lat: -27, lon: 133 } });
    // The middle of the country is all that is known of that one; of the other the town.
    expect((await places.place('2001:388::1')).withinKm).toBe(2_500);
    expect(sydney.withinKm).toBe(10);
    expect(await places.place('192.88.99.1')).toEqual({
      country: null,
      city: null,
      at: null,
      withinKm: null,
      how: 'the place database does not know the address',
    });
  });
});

describe('addressKind()', () => {
  it.each([
    ['127.8.9.1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['192.168.7.7', 'private'],
    ['100.64.0.1', 'private'],
    ['fe80::1%eth0', 'private'],
    ['fd00::5', 'private'],
    ['203.0.113.9', 'reserved'],
    ['239.1.1.1', 'reserved'],
    ['8.8.8.8', 'public'],
    ['2001:4860:4860::8888', 'public'],
    ['999.1.1.1', 'malformed'],
  ])('%s is %s', (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  });
});
