/**
 * Whose turn it is when a speech-to-speech service detects that itself: turns made of what the service says, reported as
 * turn-taking reports them. For a pipeline without a turn-taking stage. Owns the current turn; hears and says nothing.
 */
import type { AgentState } from '../client-events.ts';
import type { VoiceFrame } from '../frames.ts';
import { Turn, type TurnCause } from '../turn.ts';
import { TurnReports } from '../turn-taking/turn-reports.ts';
import type { AgentCall } from '../types.ts';
import { ConverseYield } from './converse-yield.ts';

type FloorCall = Pick<AgentCall, 'send' | 'clock' | 'mouth' | 'observe' | 'backboneRttMs'>;

export class ConverseFloor {
  readonly #call: FloorCall;
  readonly #reports: TurnReports;
  readonly #yield: ConverseYield;
  #turn: Turn | null = null;
  #nextNumber = 0;
  #shown: AgentState = 'starting';
  #voice: VoiceFrame | null = null;

  constructor(call: FloorCall) {
    this.#call = call;
    this.#reports = new TurnReports(call);
    this.#yield = new ConverseYield(call);
  }

  /** Nobody has the floor. */
  rest(): void {
    this.#show('listening');
  }

  /** Our own voice activity, where the pipeline has it: it knows the caller's last sound better. */
  voice(frame: VoiceFrame): void {
    this.#voice = frame;
    if (frame.silentMs === 0 && this.#turn?.marks.endedAtMs === null) {
      this.#turn.marks.lastSoundAtMs = frame.receivedAtMs;
    }
    this.#yield.voice(frame, this.#turn !== null && !this.#turn.settled && this.#turn.marks.audibleAtMs !== null);
  }

  /** The agent's turn begins without the caller's voice: the call, a typed message, or the service by itself. */
  begin(cause: Exclude<TurnCause, 'speech'>, atMs: number): Turn {
    this.#cut();
    const turn = this.#open(cause, null, atMs);
    this.#end(turn, cause);
    return turn;
  }

  callerStarted(): Turn {
    const before = this.#turn;
    this.#cut();
    const continues = before?.signal.reason === 'continued' ? before : null;
    this.#call.send({ type: 'caller-speaking', speaking: true });
    const turn = this.#open('speech', continues, this.#call.clock.now());
    this.#show('listening');
    return turn;
  }

  /** The turn that is the agent's now; null when nobody had begun one. */
  callerStopped(): Turn | null {
    this.#call.send({ type: 'caller-speaking', speaking: false });
    const turn = this.#turn;
    if (turn === null || turn.settled || turn.marks.endedAtMs !== null) return null;
    // Without voice activity of our own, the service's word is the only sign that the caller is silent.
    if (this.#voice === null) turn.marks.lastSoundAtMs = this.#call.clock.now();
    this.#end(turn, 'service');
    return turn;
  }

  /** The turn that an answer which the service begins now belongs to. */
  replying(): Turn {
    const turn = this.#turn;
    if (turn !== null && !turn.settled && turn.marks.endedAtMs !== null) return turn;
    return this.begin('idle', this.#call.clock.now());
  }

  #cut(): void {
    const turn = this.#turn;
    if (turn === null || turn.settled) return;
    const audible = turn.marks.audibleAtMs !== null;
    if (audible) this.#reports.interruption(turn, 'confirmed', this.#voice);
    turn.abort(audible ? 'interrupted' : 'continued');
    this.#yield.decided();
  }

  #open(cause: TurnCause, continues: Turn | null, atMs: number): Turn {
    const turn = new Turn(this.#nextNumber++, cause, continues);
    this.#turn = turn;
    turn.marks.lastSoundAtMs = atMs;
    turn.onAudible(() => {
      if (this.#turn === turn) this.#show('speaking');
    });
    turn.onSettled(() => {
      this.#reports.settled(turn);
      if (this.#turn === turn) this.#show('listening');
    });
    this.#reports.started(turn);
    return turn;
  }

  #end(turn: Turn, by: string): void {
    const atMs = this.#call.clock.now();
    turn.marks.endedAtMs = atMs;
    this.#reports.ended(turn, by, atMs);
    this.#show('thinking');
  }

  #show(state: AgentState): void {
    if (state === this.#shown) return;
    this.#shown = state;
    this.#call.send({ type: 'agent-state', state });
  }

  close(): void {
    this.#turn?.abort('closed');
    this.#yield.close();
  }
}
