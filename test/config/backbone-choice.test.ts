import { describe, expect, test } from 'vitest';
import { backboneWays, loadConfig } from '../../src/config/index.ts';
import { waysBetween } from '../../src/edge/way-pairs.ts';
import { demandBackboneAddress } from '../../src/roles/node-parts.ts';
import { controlAddresses, controlHost } from '../../src/roles/node-records.ts';

const configOf = (backbone: object) =>
  loadConfig({
    file: null,
    environment: {},
    defaults: Object.fromEntries(Object.entries(backbone).map(([name, value]) => [`backbone.${name}`, value])),
  });
const two = [
  { name: 'backbone', host: '10.1.0.5' },
  { name: 'internet', host: '198.51.100.7', listenIp: '192.168.0.2', controlPort: 443 },
];

describe('the ways of a node', () => {
  test('are one, of no name, where only one address is announced', () => {
    const { backbone } = configOf({ listenIp: '0.0.0.0', announcedAddress: '10.1.0.5' });
    expect(backboneWays(backbone)).toEqual([{ name: 'default', listenIp: '0.0.0.0', announcedAddress: '10.1.0.5' }]);
  });

  test('are those of `addresses`, and a core tells others where its control port is by each', () => {
    const config = configOf({ listenIp: '0.0.0.0', addresses: two });
    expect(backboneWays(config.backbone)).toEqual([
      { name: 'backbone', listenIp: '0.0.0.0', announcedAddress: '10.1.0.5' },
      { name: 'internet', listenIp: '192.168.0.2', announcedAddress: '198.51.100.7' },
    ]);
    demandBackboneAddress(config);
    expect(controlHost(config)).toBe('10.1.0.5');
    expect(controlAddresses(config, 7443)).toEqual({
      addresses: [
        { name: 'backbone', host: '10.1.0.5', port: 7443 },
        { name: 'internet', host: '198.51.100.7', port: 443 },
      ],
    });
  });

  test.each([
    [{ announcedAddress: '10.1.0.5', addresses: two }, /must not be set beside addresses/],
    [{ listenIp: '0.0.0.0', addresses: [two[0], two[0]] }, /two addresses called backbone/],
    [
      { listenIp: '10.1.0.5', announcedAddress: 'fd00::5' },
      /fd00::5 is IPv6, and media pipes listen on 10\.1\.0\.5 only/,
    ],
    [{ listenIp: 'fd00::5', addresses: [{ name: 'a', host: '10.1.0.5' }] }, /10\.1\.0\.5 is IPv4/],
    [{ addresses: [{ name: 'a', host: 'core.example' }] }, /addresses/],
  ])('are refused where they cannot work: %o', (backbone, words) => {
    expect(() => configOf(backbone)).toThrow(words);
  });

  test('may be IPv6 and IPv4 on a socket for both', () => {
    const addresses = [
      { name: 'six', host: 'fd00::5' },
      { name: 'four', host: '10.1.0.5' },
    ];
    expect(backboneWays(configOf({ listenIp: '::', addresses }).backbone)).toHaveLength(2);
  });
});

describe('the ways between a POP and a core', () => {
  const own = (...names: string[]) =>
    names.map((name) => ({ name, listenIp: '0.0.0.0', announcedAddress: `of ${name}` }));
  const core = (...names: string[]) => names.map((name) => ({ name, host: 'core', port: 1 }));
  const pairs = (...sides: [string[], string[]]) =>
    waysBetween(own(...sides[0]), core(...sides[1])).map(
      ({ name, announcedAddress }) => `${name} by ${announcedAddress}`,
    );

  test.each([
    [[['default'], []], ['default by of default']],
    [[['a', 'b'], []], ['default by of a']],
    [
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      ['b by of b', 'a by of a'],
    ],
    [
      [
        ['a', 'b'],
        ['b', 'c'],
      ],
      ['b by of b'],
    ],
    [
      [['default'], ['a', 'b']],
      ['a by of default', 'b by of default'],
    ],
  ] as [[string[], string[]], string[]][])('%o are %o', (sides, expected) => {
    expect(pairs(...sides)).toEqual(expected);
  });
});
