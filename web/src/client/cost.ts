/** What a call cost, in words: sums of the server as a reader wants them. Pure; prices are the server's. */
import type { CallUsage } from '../../../src/agent/client-events.ts';

type ServiceUsage = CallUsage['services'][number];

/** `$0.0042`, `$1.25`; what is less than a hundredth of a cent says so. */
export function dollars(usd: number): string {
  if (usd === 0) return '$0';
  if (usd < 0.0001) return 'under $0.0001';
  return usd < 0.995 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** Cost of one service: unknown is not free, and free is not zero by accident. */
export function costWords(service: ServiceUsage): string {
  if (service.costUsd === null) return 'no price';
  if (service.costUsd > 0) return dollars(service.costUsd);
  return Object.values(service.units).some((count) => count > 0) ? 'free' : dollars(0);
}

/** The whole: `at least` when something in it has no price. */
export function totalWords(usage: CallUsage): string {
  if (usage.unpriced.length === 0) return dollars(usage.costUsd);
  return usage.costUsd > 0 ? `at least ${dollars(usage.costUsd)}` : 'unknown';
}

const UNIT_WORDS: [unit: string, words: (count: string) => string][] = [
  ['audioInSeconds', (count) => `${count} s heard`],
  ['inputTokens', (count) => `${count} tokens in`],
  ['cachedInputTokens', (count) => `${count} of them cached`],
  ['outputTokens', (count) => `${count} tokens out`],
  ['characters', (count) => `${count} characters`],
  ['audioOutSeconds', (count) => `${count} s spoken`],
];

/** What it did, such as `3 requests, 1,240 tokens in, 85 tokens out`. */
export function unitWords(service: ServiceUsage): string {
  const counted = UNIT_WORDS.flatMap(([unit, words]) => {
    const count = service.units[unit];
    return count ? [words(number(count))] : [];
  });
  return [`${service.requests} ${service.requests === 1 ? 'request' : 'requests'}`, ...counted].join(', ');
}

function number(count: number): string {
  return count.toLocaleString('en', { maximumFractionDigits: count < 10 ? 1 : 0 });
}
