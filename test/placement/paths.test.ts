import { describe, expect, test } from 'vitest';
import { PathBook, pathFrom } from '../../src/placement/paths.ts';
import { distanceKm, nearestWord, Regions } from '../../src/placement/regions.ts';

const regions = Regions.load({
  'dc-1': { country: 'de', jurisdiction: 'EU', lat: 52.52, lon: 13.4 },
});
const book = (matrixCsv?: string) => new PathBook({ regions, measurementTtlMs: 1_000, matrixCsv });
const measured = (p50: number, p95 = p50) => ({ from: 'eu-west-1', to: 'us-east-1', p50, p95, atMs: 0 });

describe('a path', () => {
  test('is taken from the matrix, then from distance', () => {
    expect(book().between('us-east-1', 'ap-southeast-2', 0)).toMatchObject({ source: 'matrix' });
    expect(book().between('us-east-1', 'ap-southeast-2', 0).p50).toBeCloseTo(198, -1);
    const own = book().between('dc-1', 'eu-central-1', 0);
    expect(own.source).toBe('distance');
    expect(own.p50).toBeCloseTo(8 + 0.016 * 424, 0);
    // A row stands for a region near by, not for one an ocean away.
    expect(book().between('eusc-de-east-1', 'us-east-1', 0).source).toBe('matrix');
    expect(book().between('ap-southeast-6', 'us-east-1', 0).source).toBe('distance');
  });

  test('is taken from the operator rather than from the matrix, and from a measurement rather than from both', () => {
    const paths = book();
    paths.declare('us-east-1', 'eu-west-1', 71);
    expect(paths.between('eu-west-1', 'us-east-1', 0)).toMatchObject({ p50: 71, source: 'operator' });
    paths.measure(measured(68, 80));
    expect(paths.between('us-east-1', 'eu-west-1', 500)).toEqual({ p50: 68, p95: 80, source: 'measured', ageMs: 500 });
  });

  test('forgets a measurement that is too old, or from a time to come', () => {
    const paths = book();
    paths.measure(measured(68));
    expect(paths.between('eu-west-1', 'us-east-1', 1_000).source).toBe('measured');
    expect(paths.between('eu-west-1', 'us-east-1', 1_001).source).toBe('matrix');
    expect(paths.between('eu-west-1', 'us-east-1', -5_000).source).toBe('matrix');
  });

  test('is never faster than light, nor absurdly slower than what was known', () => {
    const light = distanceKm(regions.get('eu-west-1')!, regions.get('us-east-1')!) * 0.01;
    expect(book().measure(measured(0.1))!.p50).toBeGreaterThanOrEqual(light);
    expect(book().measure(measured(60_000))!.p50).toBeLessThan(400);
    for (const bad of [measured(Number.NaN), measured(-1), measured(9, 8), { ...measured(1), from: 'nowhere' }]) {
      expect(book().measure(bad)).toBeNull();
    }
  });

  test('from a caller counts the distance and the access network', () => {
    const { p50, source } = pathFrom({ lat: -33.87, lon: 151.21 }, regions.get('ap-southeast-2')!, 10);
    expect(p50).toBeCloseTo(18, 0);
    expect(source).toBe('distance');
  });
});

describe('a matrix', () => {
  const head = 'from,to,p50_ms,p90_ms\n';

  test('may have holes, which the other direction or distance fills', () => {
    const paths = book(`${head}us-east-1,eu-west-1,70,80\nus-east-1,us-west-2,,\n`);
    expect(paths.between('eu-west-1', 'us-east-1', 0)).toMatchObject({ p50: 70, source: 'matrix' });
    expect(paths.between('us-east-1', 'us-west-2', 0).source).toBe('distance');
  });

  test.each(['a,b,-1,2', 'a,b,NaN,2', 'a,b,5,4', 'a,b,x,4', ',b,1,2', 'a,b,1'])(
    'is refused for a line such as "%s"',
    (line) => {
      expect(() => book(`${head}us-east-1,eu-west-1,70,80\n${line}\n`)).toThrowError(/line 3 is no path/);
    },
  );

  test('is refused without its head', () => {
    expect(() => book('a,b,1,2\n')).toThrowError(/must begin with/);
  });
});

test('an unknown region is refused with the nearest name', () => {
  expect(() => regions.require('eu-wset-1', 'cores.blocked.0')).toThrowError(/did you mean "eu-west-1"/);
  expect(nearestWord('zzzzzz', ['eu-west-1'])).toBeNull();
});
