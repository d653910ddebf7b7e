/** What the check of docker-compose.yml finds in one that is wrong. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkCompose } from './compose.ts';

const COMPOSE = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8');

describe('the check of docker-compose.yml', () => {
  test.each([
    ['a key that Compose does not have', 'restart: on-failure', 'restrat: on-failure', 'Unrecognized key: "restrat"'],
    ['ports that the network may reach', '- 127.0.0.1:8201:8201', '- 8201:8201', 'must be of this machine only'],
    [
      'a network that nobody has',
      'network_mode: service:wan',
      'network_mode: service:van',
      'shares the network of "van", which is no service',
    ],
    [
      'a part that the topology does not have',
      'core-syd',
      'core-mel',
      'docker-compose.yml: infra/topologies/australia.yaml has no part "core-mel"',
    ],
    [
      'a part that is left out',
      'core-syd',
      'core-mel',
      'docker-compose.yml: infra/topologies/australia.yaml has "core-syd", which is no service',
    ],
    [
      'a port that is not published',
      '- 127.0.0.1:8203:8203',
      '- 127.0.0.1:8204:8204',
      'docker-compose.yml: pop-fra: 8203 is not published',
    ],
    [
      'media by TCP only',
      '44501-44503/udp',
      '44501-44502/udp',
      "docker-compose.yml: pop-fra: media's 44503 is not published by UDP and TCP",
    ],
    ['a registry on another port', '"6390"', '"6379"', 'docker-compose.yml: redis does not listen on 6390'],
    [
      'a node that Prometheus does not ask',
      '127.0.0.1:8102',
      '127.0.0.1:8109',
      'docker-compose.yml: Prometheus does not ask core-iad at 8102',
    ],
    [
      'a file that is not there',
      './infra/grafana/antipode.json',
      './infra/grafana/other.json',
      'docker-compose.yml: grafana: there is no "./infra/grafana/other.json"',
    ],
  ])('finds %s', (_what, from, to, words) => {
    expect(COMPOSE).toContain(from);
    expect(checkCompose(COMPOSE.replaceAll(from, to)).join('\n')).toContain(words);
  });
});
