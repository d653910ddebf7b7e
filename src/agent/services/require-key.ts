/** Keys of services, before they are used. */
import { AntipodeError } from '../../errors.ts';

/**
 * A key that a header can carry; refuses none, and one with a line end from a file.
 * @throws ERR_SERVICE_UNAVAILABLE
 */
export function requireKey(apiKey: string | null, service: string, variable: string): string {
  if (apiKey !== null && /^[\x21-\x7e]+$/.test(apiKey)) return apiKey;
  throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', `${service} needs a key: set ${variable}.`);
}
