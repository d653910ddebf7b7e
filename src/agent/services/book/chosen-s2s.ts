/** The speech-to-speech service that is chosen. It tells of its runs itself, and keeps a conversation over lost connections. */
import { type CreateS2sOptions, createS2s } from '../catalogue/index.ts';
import type { S2s } from '../s2s.ts';
import type { ChosenService } from './chosen-services.ts';
import { refusedWithPath } from './refused-with-path.ts';

/** @throws ERR_CONFIG_INVALID with the path of the choice, when it cannot work here */
export function createChosenS2s(
  { path, choice, entry }: ChosenService<'s2s'>,
  options: Pick<CreateS2sOptions, 'environment' | 'clock' | 'log'>,
): S2s {
  return refusedWithPath(path, () => createS2s(entry!, { ...choice, ...options }));
}
