/** Signs requests to Amazon's services (Signature Version 4), by a key of an account. Owns no request. */
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '../../clock.ts';
import type { HttpOutgoing } from './http-service.ts';

/** The longest that Amazon's pages on WebSockets allow. */
const ADDRESS_SECONDS = 300;

export interface AwsAccount {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary keys. */
  readonly sessionToken?: string | undefined;
}

export interface AwsSignatureOptions {
  readonly account: AwsAccount;
  /** The service's name in signatures, such as `polly`. */
  readonly service: string;
  /** Such as `eu-central-1`. */
  readonly region: string;
  readonly clock: Pick<Clock, 'date'>;
}

export class AwsSignature {
  readonly #signer: SignatureV4;
  readonly #clock: Pick<Clock, 'date'>;

  constructor({ account, service, region, clock }: AwsSignatureOptions) {
    const { accessKeyId, secretAccessKey, sessionToken } = account;
    const credentials = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
    this.#signer = new SignatureV4({ credentials, service, region, sha256: Sha256 });
    this.#clock = clock;
  }

  /** The same address, signed for a GET within the next five minutes, such as the opening of a WebSocket. */
  async address(url: URL): Promise<URL> {
    const request = {
      method: 'GET',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { host: url.host },
    };
    const signed = await this.#signer.presign(request, {
      expiresIn: ADDRESS_SECONDS,
      signingDate: this.#clock.date(),
    });
    const address = new URL(url);
    for (const [name, value] of Object.entries(signed.query ?? {})) address.searchParams.set(name, String(value));
    return address;
  }

  /** The headers of a POST of JSON that sign it. */
  async headers({ url, body }: HttpOutgoing): Promise<Record<string, string>> {
    const request = {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { host: url.host, 'content-type': 'application/json' },
      body,
    };
    const { headers } = await this.#signer.sign(request, { signingDate: this.#clock.date() });
    // The connection writes it itself.
    const { host: _, ...signed } = headers;
    return signed;
  }
}
