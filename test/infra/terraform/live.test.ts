/**
 * live/ planned and applied by Terraform itself, with a stand-in for each resource: three regions in two zones, one of them
 * added afterwards. What a provider would say is not in it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OVERLAYS_ROOT, TERRAFORM_ROOT } from '../checks.ts';
import { programPath, Terraform } from '../programs.ts';
import { exampleVariables, LiveStandIns, type StandInResource } from './live-stand-ins.ts';

const path = programPath('terraform');

describe.skipIf(path === null)('live/, with stand-ins for its resources (needs terraform)', () => {
  let terraform: Terraform;
  let live: LiveStandIns;
  let before: StandInResource[];
  let planned: string;
  let resources: StandInResource[];

  beforeAll(() => {
    terraform = new Terraform(path!);
    const three = exampleVariables(TERRAFORM_ROOT);
    const two = three.replace(/^ {2}ap-southeast-2 = .*\n/m, '');
    expect(two).not.toBe(three);
    live = new LiveStandIns(terraform, TERRAFORM_ROOT, two);
    const first = live.apply();
    expect(first.ok, first.output).toBe(true);
    before = live.resources();
    live.change(three);
    planned = live.plan().output;
    const second = live.apply();
    expect(second.ok, second.output).toBe(true);
    resources = live.resources();
  }, 240_000);
  afterAll(() => terraform?.[Symbol.dispose]());

  const of = (type: string) => resources.filter((each) => each.type === type);
  const regions = (type: string) => [...new Set(of(type).map(({ values }) => values.region))].sort();

  test('Sydney is one line: nothing of the other regions is made anew or taken away', () => {
    expect(planned).toMatch(/Plan: \d+ to add, \d+ to change, 0 to destroy\./);
    expect(planned).not.toContain('must be replaced');
    const changed = [...planned.matchAll(/# (\S+) will be updated in-place/g)].map(([, address]) => address);
    // Images are copied there, and the registry's password is readable there.
    expect(changed).toEqual([
      'terraform_data.aws_ecr_replication_configuration__this[0]',
      'module.registry["world"].terraform_data.aws_secretsmanager_secret__this',
      'module.registry["world"].terraform_data.aws_secretsmanager_secret_version__this',
    ]);
    expect(resources.length).toBeGreaterThan(before.length + 100);
    expect(regions('aws_eks_cluster')).toEqual(['ap-southeast-2', 'eu-central-1', 'us-east-1']);
  });

  test('regions of one zone are connected, and those of different zones by nothing', () => {
    expect(
      of('aws_ec2_transit_gateway_peering_attachment').map(({ values }) => [values.region, values.peer_region]),
    ).toEqual([['ap-southeast-2', 'us-east-1']]);
    expect(regions('aws_ec2_transit_gateway')).toEqual(['ap-southeast-2', 'us-east-1']);
    const ways = of('aws_route').filter(({ values }) => values.destination_cidr_block !== '0.0.0.0/0');
    expect(ways.map(({ values }) => `${values.region} to ${values.destination_cidr_block}`).sort()).toEqual([
      ...Array(5).fill('ap-southeast-2 to 10.65.0.0/16'),
      ...Array(5).fill('us-east-1 to 10.67.0.0/16'),
    ]);
  });

  test('nobody but callers comes in from the internet, and only where callers do', () => {
    const open = of('aws_vpc_security_group_ingress_rule').filter(({ values }) => values.cidr_ipv4 === '0.0.0.0/0');
    const ports = open.map(
      ({ address, values }) =>
        `${/network\["(.+?)"\]/.exec(address)?.[1]} ${/aws_vpc_security_group_ingress_rule__(\w+?)_/.exec(address)?.[1]} ${values.ip_protocol} ${values.from_port}-${values.to_port}`,
    );
    expect(ports.sort()).toEqual(
      ['ap-southeast-2', 'eu-central-1', 'us-east-1'].flatMap((region) => [
        `${region} pop tcp 443-443`,
        `${region} pop tcp 44400-44400`,
        `${region} pop udp 44400-44400`,
      ]),
    );
  });

  test('a registry is reached from its own zone, by its own user, and stands in the zone', () => {
    const groups = of('aws_elasticache_replication_group').map(({ values }) => [
      values.replication_group_id,
      values.region,
      values.transit_encryption_enabled,
    ]);
    expect(groups).toEqual([
      ['antipode-eu', 'eu-central-1', true],
      ['antipode-world', 'us-east-1', true],
    ]);
    const rules = of('aws_vpc_security_group_ingress_rule').filter(({ address }) =>
      address.startsWith('module.registry'),
    );
    expect(rules.map(({ values }) => `${values.region} from ${values.cidr_ipv4}`).sort()).toEqual([
      'eu-central-1 from 10.66.0.0/16',
      'us-east-1 from 10.65.0.0/16',
      'us-east-1 from 10.67.0.0/16',
    ]);
  });

  test('a joining name answers with the nearest region of its zone', () => {
    const joins = of('aws_route53_record').filter(({ values }) => Array.isArray(values.latency_routing_policy));
    expect(joins.map(({ values }) => `${values.name}: ${values.set_identifier}`).sort()).toEqual([
      'join.eu.voice.example.com: eu-central-1',
      'join.world.voice.example.com: ap-southeast-2',
      'join.world.voice.example.com: us-east-1',
    ]);
  });

  test('every overlay’s region.env has the keys and the plain values that Terraform gives', () => {
    const overlays = live.output('overlays') as Record<string, string>;
    expect(Object.keys(overlays)).toEqual(['ap-southeast-2', 'eu-central-1', 'us-east-1']);
    const plain = [
      'ANTIPODE_REGION',
      'ANTIPODE_REGISTRY_ZONE',
      'ANTIPODE_REDIS_USERNAME',
      'REGISTRY_REGION',
      'JOIN_NAME',
      'POP_WILDCARD',
      'HOSTED_ZONE',
      'IMAGE',
      'SECRET_API_KEYS',
      'SECRET_TOKEN_SECRET',
      'SECRET_BACKBONE_CA',
      'SECRET_AI_SERVICES',
      'SECRET_REGISTRY_PASSWORD',
    ];
    for (const [region, text] of Object.entries(overlays)) {
      const given = pairs(text);
      const file = pairs(readFileSync(join(OVERLAYS_ROOT, region, 'region/region.env'), 'utf8'));
      expect([...given.keys()].sort(), region).toEqual([...file.keys()].sort());
      for (const key of plain) expect(given.get(key), `${region}: ${key}`).toBe(file.get(key));
    }
  });

  test('POPs’ machines boot with the script of their own cluster', () => {
    const scripts = of('aws_launch_template').flatMap(({ values }) =>
      typeof values.user_data === 'string' && values.user_data.length > 100
        ? [Buffer.from(values.user_data, 'base64').toString('utf8')]
        : [],
    );
    expect(scripts).toHaveLength(3);
    const sydney = scripts.find((text) => text.includes('Values=antipode-ap-southeast-2'));
    expect(sydney).toContain('--region ap-southeast-2');
    // What is the shell's was left to it.
    expect(sydney).toContain('--allocation-id "$free" --instance-id "$instance" --no-allow-reassociation');
  });
});

function pairs(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => /^[A-Z_]+=/.test(line));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
