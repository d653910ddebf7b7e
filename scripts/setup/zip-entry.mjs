/**
 * Reads one file out of a zip archive in memory, by its central directory (PKWARE APPNOTE 6.3: sections 4.3.7, 4.3.12
 * and 4.3.16). Stored and deflated entries; no zip64, no encryption, no archive in parts.
 */

import { inflateRawSync } from 'node:zlib';

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
const DIRECTORY_SIGNATURE = 0x02014b50;
const DIRECTORY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;

/**
 * @param {Buffer} archive
 * @param {string} name of the entry, with its folders
 * @param {number} maxBytes an entry that says or turns out to be larger is refused
 * @returns {Buffer | undefined} what the entry holds; undefined when there is none of that name
 * @throws {Error} when the archive is not a zip file, is damaged, or the entry is of a kind that isn't read here
 */
export function readZipEntry(archive, name, maxBytes) {
  try {
    return find(archive, Buffer.from(name), maxBytes);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ERR_OUT_OF_RANGE') throw error;
    throw new Error('the archive is cut off', { cause: error });
  }
}

/**
 * @param {Buffer} archive
 * @param {Buffer} name
 * @param {number} maxBytes
 * @returns {Buffer | undefined}
 */
function find(archive, name, maxBytes) {
  const end = endOfDirectory(archive);
  const entries = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries; entry++) {
    if (archive.readUInt32LE(at) !== DIRECTORY_SIGNATURE) throw new Error("the archive's directory is damaged");
    const nameBytes = archive.readUInt16LE(at + 28);
    if (archive.subarray(at + DIRECTORY_BYTES, at + DIRECTORY_BYTES + nameBytes).equals(name)) {
      return unpack(archive, at, maxBytes);
    }
    at += DIRECTORY_BYTES + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return undefined;
}

/** @param {Buffer} archive */
function endOfDirectory(archive) {
  const first = Math.max(0, archive.length - END_BYTES - MAX_COMMENT_BYTES);
  for (let at = archive.length - END_BYTES; at >= first; at--) {
    if (archive.readUInt32LE(at) === END_SIGNATURE) return at;
  }
  throw new Error('it is not a zip archive');
}

/**
 * @param {Buffer} archive
 * @param {number} at where the entry stands in the directory
 * @param {number} maxBytes
 * @returns {Buffer}
 */
function unpack(archive, at, maxBytes) {
  if (archive.readUInt16LE(at + 8) & ENCRYPTED) throw new Error('the entry is encrypted');
  const method = archive.readUInt16LE(at + 10);
  const packedBytes = archive.readUInt32LE(at + 20);
  const bytes = archive.readUInt32LE(at + 24);
  const local = archive.readUInt32LE(at + 42);
  if (bytes > maxBytes) throw new Error(`the entry holds ${bytes} bytes, more than the ${maxBytes} expected`);
  if (archive.readUInt32LE(local) !== LOCAL_SIGNATURE) throw new Error("the entry's header is damaged");
  const start = local + LOCAL_BYTES + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  const packed = archive.subarray(start, start + packedBytes);
  if (packed.length !== packedBytes) throw new Error('the archive is cut off');
  if (method !== STORED && method !== DEFLATED) throw new Error(`the entry is packed by method ${method}`);
  const content = method === STORED ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) });
  if (content.length !== bytes) throw new Error(`the entry holds ${content.length} bytes and not ${bytes}`);
  return content;
}
