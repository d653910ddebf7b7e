/**
 * Where the lines of the log go: a file descriptor that may stop taking them, such as a file on a disk that is full. That
 * costs lines and nothing else: the newest wait in a bounded buffer, how many found no room is said by the first line that
 * can be written again, and no exit waits for it. (SonicBoom by itself ends the process by an `error` that nobody
 * handles, and then never lets it exit: its last flush tries for ever.)
 */
import { writeSync } from 'node:fs';
import { destination } from 'pino';

/** Bytes of lines that may wait. */
const MAX_WAITING = 8 * 1024 * 1024;
const STDERR = 2;

export type LogDestination = ReturnType<typeof destination>;

/** @param fd 1 is standard output */
export function logDestination(fd: number): LogDestination {
  const stream = destination({ fd, sync: false, maxLength: MAX_WAITING });
  const { flushSync } = stream;
  let failing = false;
  let lost = 0;
  stream.on('drop', () => {
    lost += 1;
  });
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (failing) return;
    failing = true;
    // What can't be written now would be tried for ever at the exit.
    stream.flushSync = () => {};
    say(`The log can't be written: ${error.message}. The node goes on without.\n`);
  });
  stream.on('write', () => {
    if (!failing) return;
    failing = false;
    stream.flushSync = flushSync;
    if (lost > 0)
      stream.write(`${JSON.stringify({ level: 50, time: Date.now(), lost, msg: 'log lines were lost' })}\n`);
    lost = 0;
  });
  return stream;
}

/** Where an operator may see it; a second output that is full as well is nobody's loss. */
function say(words: string): void {
  try {
    writeSync(STDERR, words);
  } catch {
    // There is nowhere left to say it.
  }
}
