/**
 * The HMAC secret of join and resume tokens: from the configuration, else made once and kept in the state directory.
 * Two processes that start at the same moment end with the same secret, and a half-written file is never seen.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';

const SECRET_BYTES = 32;
const FILE_NAME = 'token-secret';

/**
 * @returns at least 32 bytes
 * @throws ERR_STATE_DIR when the file can't be made, is readable by others, or holds something else
 */
export async function loadTokenSecret(config: {
  auth: Pick<Config['auth'], 'tokenSecret'>;
  stateDir: string;
}): Promise<Uint8Array> {
  if (config.auth.tokenSecret !== null) return new TextEncoder().encode(config.auth.tokenSecret);
  const path = join(config.stateDir, FILE_NAME);
  try {
    const existing = await readSecret(path);
    if (existing) return existing;
    await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
    await writeOnce(path, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`);
    const made = await readSecret(path);
    if (made) return made;
    throw new AntipodeError('ERR_STATE_DIR', `The token secret ${path} was removed while it was being made.`);
  } catch (error) {
    if (error instanceof AntipodeError) throw error;
    throw new AntipodeError('ERR_STATE_DIR', `Cannot keep the token secret in ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Puts the whole file in place under its name at once; leaves one that is there already. */
async function writeOnce(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

async function readSecret(path: string): Promise<Uint8Array | null> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new AntipodeError(
        'ERR_STATE_DIR',
        `The token secret ${path} can be read by others (mode ${(mode & 0o777).toString(8)}). ` +
          `Remove it, so that a new one is made, or type: chmod 600 ${path}`,
      );
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const trimmed = text.trim();
  const secret = Buffer.from(trimmed, 'base64url');
  if (!/^[\w-]+$/.test(trimmed) || secret.length < SECRET_BYTES) {
    throw new AntipodeError('ERR_STATE_DIR', `${path} does not hold a token secret. Remove it, and a new one is made.`);
  }
  return new Uint8Array(secret);
}
