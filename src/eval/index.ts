/** Public face of evals: the command. Import it only where evals are run. */
export { EVAL_HELP, type EvalCommandOptions, runEvalCommand } from './command.ts';
export { evalMain } from './main.ts';
export { evalJsonSchema } from './read-evals.ts';
