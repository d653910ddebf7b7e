import { describe, expect, test } from 'vitest';
import {
  LISTENING,
  nextTime,
  type ReflexAction,
  type ReflexEvent,
  type ReflexState,
  type ReflexTiming,
  transition,
} from '../../src/edge/reflex-state.ts';

const TIMING: ReflexTiming = { onsetMs: 80, shortSoundMs: 400, resumeAfterMs: 200 };

/** A reflex that is fed packets of 20 ms and keeps what it was told to do, with the time. */
class Script {
  readonly done: string[] = [];
  nowMs = 0;
  state: ReflexState = LISTENING;
  ducks = 0;
  readonly timing: ReflexTiming;

  constructor(timing: Partial<ReflexTiming> = {}) {
    this.timing = { ...TIMING, ...timing };
  }

  step(event: ReflexEvent): void {
    const { state, actions } = transition(this.state, event, this.timing);
    this.state = state;
    for (const action of actions) this.done.push(`${this.nowMs} ${wordsOf(action)}`);
    if (actions.some((action) => action.do === 'duck')) this.ducks += 1;
  }

  /** One character a packet: `#` loud, `.` quiet, `_` loud while the agent is not heard. */
  hear(packets: string): this {
    for (const packet of packets) {
      this.step({
        type: 'packet',
        loud: packet !== '.',
        durationMs: 20,
        nowMs: this.nowMs,
        mayDuck: packet !== '_',
        next: this.ducks + 1,
        answerWithinMs: 1_200,
      });
      this.nowMs += 20;
    }
    return this;
  }

  /** Time passes without packets; the state is told when it asked to be. */
  wait(ms: number): this {
    const until = this.nowMs + ms;
    for (let at = nextTime(this.state, this.timing); at !== null && at <= until; ) {
      this.nowMs = at;
      this.step({ type: 'time', nowMs: at });
      at = nextTime(this.state, this.timing);
    }
    this.nowMs = until;
    return this;
  }

  answer(verdict: 'pending' | 'rejected', duck = this.ducks): this {
    this.step({ type: 'answer', duck, verdict, nowMs: this.nowMs });
    return this;
  }

  flush(): this {
    this.step({ type: 'flushed' });
    return this;
  }
}

function wordsOf(action: ReflexAction): string {
  return action.do === 'settle' ? action.outcome : action.do;
}

describe('the reflex', () => {
  test('ducks at the packet that makes 80 ms of loud sound, not before', () => {
    expect(new Script().hear('..###').done).toEqual([]);
    expect(new Script().hear('..####').done).toEqual(['100 duck']);
  });

  test('bears a gap within a sound, and forgets clicks that lie apart', () => {
    expect(new Script().hear('###.##').done).toEqual(['100 duck']);
    expect(new Script().hear('##..##..##..##..').done).toEqual([]);
  });

  test('ducks nobody while the agent is not heard, and counts nothing of that time', () => {
    expect(new Script().hear('________###').done).toEqual([]);
    expect(new Script().hear('________####').done).toEqual(['220 duck']);
  });

  test('goes on 200 ms after a short sound, and waits for the core’s word of it', () => {
    const script = new Script().hear('########............');
    expect(script.done).toEqual(['60 duck', '340 resume']);
    expect(script.answer('rejected').done.at(-1)).toBe('400 rejected');
    expect(script.state).toBe(LISTENING);
  });

  test('goes on after a short sound when no packet comes any more (DTX)', () => {
    expect(new Script().hear('#####').wait(400).done).toEqual(['60 duck', '280 resume']);
  });

  test('a sound that was short and is an interruption after all is confirmed by the flush', () => {
    const script = new Script().hear('########............').flush();
    expect(script.done).toEqual(['60 duck', '340 resume', '400 confirmed']);
  });

  test('waits for the core after a longer sound', () => {
    const script = new Script().hear('#'.repeat(21)).hear('.'.repeat(20));
    expect(script.done).toEqual(['60 duck']);
    expect(script.answer('rejected').done).toEqual(['60 duck', '820 resume', '820 rejected']);
  });

  test('400 ms of sound are short, 420 are not', () => {
    expect(new Script().hear('#'.repeat(20)).wait(300).done).toEqual(['60 duck', '580 resume']);
    expect(new Script().hear('#'.repeat(21)).wait(300).done).toEqual(['60 duck']);
  });

  test('waits for the core after any sound when it is told to', () => {
    expect(new Script({ resumeAfterMs: null }).hear('#####').wait(1_000).done).toEqual(['60 duck']);
  });

  test('is confirmed by a flush while the agent is held', () => {
    const script = new Script().hear('########').flush();
    expect(script.done).toEqual(['60 duck', '160 resume', '160 confirmed']);
    expect(script.state).toBe(LISTENING);
  });

  test('goes on when the core says nothing for as long as it may take', () => {
    const script = new Script().hear('#'.repeat(30)).wait(2_000);
    expect(script.done).toEqual(['60 duck', '1260 resume', '1260 timed_out']);
  });

  test('a loud sound that does not end does not hold the agent for longer than that either', () => {
    const script = new Script().hear('#'.repeat(64));
    expect(script.done).toEqual(['60 duck', '1260 resume', '1260 timed_out']);
  });

  test('lets the core decide for 5 s once it has heard a voice', () => {
    const script = new Script().hear('#'.repeat(30)).answer('pending').wait(6_000);
    expect(script.done).toEqual(['60 duck', '5600 resume', '5600 timed_out']);
  });

  test('a sound that was short times out without a second resume', () => {
    const script = new Script().hear('#####').wait(2_000);
    expect(script.done).toEqual(['60 duck', '280 resume', '1260 timed_out']);
  });

  test('the next sound ducks again before the core has said anything of the first', () => {
    const script = new Script().hear('#####').wait(300).hear('####');
    expect(script.done).toEqual(['60 duck', '280 resume', '460 superseded', '460 duck']);
    expect(script.answer('rejected', 1).done).toHaveLength(4);
    expect(script.answer('rejected', 2).done.slice(4)).toEqual(['480 resume', '480 rejected']);
  });

  test('an answer to no duck, and a flush without one, do nothing', () => {
    const script = new Script().answer('rejected', 1).answer('pending', 7).flush().hear('##').flush();
    expect(script.done).toEqual([]);
    expect(script.state).toBe(LISTENING);
  });

  test('a flush forgets a sound that had begun: it was what the flush was for', () => {
    expect(new Script().hear('###').flush().hear('#').done).toEqual([]);
  });

  test('packets of 60 ms count for what they are long', () => {
    const script = new Script();
    for (const nowMs of [0, 60]) {
      script.nowMs = nowMs;
      script.step({ type: 'packet', loud: true, durationMs: 60, nowMs, mayDuck: true, next: 1, answerWithinMs: 1_000 });
    }
    expect(script.done).toEqual(['60 duck']);
  });
});
