/** Whether a program is installed, without running it. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Path of an executable as a shell would find it; null when there is none. */
export async function findProgram(command: string, searchPath: string): Promise<string | null> {
  const candidates = command.includes('/')
    ? [command]
    : searchPath
        .split(delimiter)
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, command));
  for (const candidate of candidates) if (await isExecutable(candidate)) return candidate;
  return null;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
