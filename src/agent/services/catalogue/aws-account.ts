/** What adapters for Amazon's services are made with: the parts of the key, and the region that requests are signed for. */
import { AntipodeError } from '../../../errors.ts';
import type { AwsAccount } from '../aws-signature.ts';
import type { CatalogueEntry } from './schema.ts';

export interface AwsMaking {
  readonly entry: CatalogueEntry;
  /** All of its secrets, by the names of their variables. */
  readonly keys: Readonly<Record<string, string>>;
  /** The entry's; `own` for an address of the operator's. */
  readonly region: string;
}

/** @throws ERR_CONFIG_INVALID at an address of one's own, whose region nobody knows */
export function awsOf({ keys, region, entry }: AwsMaking): { readonly account: AwsAccount; readonly region: string } {
  if (region === 'own') {
    throw new AntipodeError('ERR_CONFIG_INVALID', `${entry.name} is signed for a region: name one.`, {
      path: 'region',
    });
  }
  const [accessKeyId = '', secretAccessKey = ''] = entry.keys.map((name) => keys[name]);
  return { region, account: { accessKeyId, secretAccessKey } };
}
