/** The child's side of the IPC between a benchmark and its processes: questions come in, answers or errors go out. */

export interface Question<Ask> {
  id: number;
  ask: Ask;
}

export type Answer = { id: number; answer: unknown } | { id: number; error: string };

/** Answers each question by `handle`; the process ends when its parent is gone. */
export function answerParent<Ask>(handle: (ask: Ask) => Promise<unknown>): void {
  const reply = (answer: Answer) => process.send?.(answer);
  process.on('message', ({ id, ask }: Question<Ask>) => {
    handle(ask).then(
      (answer) => reply({ id, answer }),
      (error: Error) => reply({ id, error: error.message }),
    );
  });
  process.on('disconnect', () => process.exit(0));
  // A terminal's Ctrl-C reaches all processes at once; the parent ends its children in order.
  process.on('SIGINT', () => {});
}
