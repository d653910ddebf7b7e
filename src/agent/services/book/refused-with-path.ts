/** The words of a choice that cannot work here, with where it was made. */
import { AntipodeError } from '../../../errors.ts';

/**
 * What `make` makes; its refusal names the choice, so that a node does not start without a service that it was told to
 * use.
 * @throws ERR_CONFIG_INVALID for every refusal of ours
 */
export function refusedWithPath<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof AntipodeError)) throw cause;
    throw new AntipodeError('ERR_CONFIG_INVALID', `${path}: ${cause.message}`, { cause, path });
  }
}
