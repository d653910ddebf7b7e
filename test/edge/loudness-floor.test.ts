import { describe, expect, test } from 'vitest';
import { LoudnessFloor } from '../../src/edge/loudness-floor.ts';

const OPTIONS = { marginDb: 12, minDbov: -50, rejectsToRaise: 2 };

/** A floor that hears packets of 20 ms. */
class Caller {
  readonly floor = new LoudnessFloor(OPTIONS);
  nowMs = 0;

  static inQuietRoom(): Caller {
    return new Caller().hears(-75, 1_000);
  }

  /** @param agent whether the agent is heard meanwhile */
  hears(dbov: number, ms: number, agent = false): this {
    for (let passed = 0; passed < ms; passed += 20) {
      const loud = dbov >= this.floor.at(this.nowMs, agent);
      if (!agent) this.floor.heardAlone(dbov, 20, loud);
      else if (!loud) this.floor.heardUnderAgent(dbov, 20);
      this.nowMs += 20;
    }
    return this;
  }

  at(agent = true): number {
    return Math.round(this.floor.at(this.nowMs, agent));
  }
}

describe('what counts as a sound', () => {
  test('is never below the least, however quiet the room', () => {
    expect(new Caller().hears(-127, 10_000).at()).toBe(-50);
    expect(new Caller().hears(-75, 300).at()).toBe(-50);
  });

  test('lies the margin above steady noise of the caller, from its first second on', () => {
    expect(new Caller().hears(-52, 1_000).at()).toBe(-40);
    expect(new Caller().hears(-40, 3_000).at()).toBe(-28);
  });

  test('is that of a loud room before anything is known', () => {
    expect(new Caller().at()).toBe(-33);
  });

  test('follows noise that begins, within some seconds', () => {
    const caller = new Caller().hears(-70, 2_000);
    expect(caller.hears(-45, 5_000).at()).toBe(-50);
    expect(caller.hears(-45, 10_000).at()).toBe(-33);
  });

  test('follows noise that ends within a second', () => {
    expect(new Caller().hears(-45, 20_000).hears(-75, 1_000).at()).toBe(-50);
  });

  test('is hardly moved by five seconds of speech with its pauses', () => {
    const caller = new Caller().hears(-65, 3_000);
    for (let words = 0; words < 5; words++) caller.hears(-25, 800).hears(-65, 200);
    expect(caller.at()).toBe(-50);
  });

  test('lies above what comes back of the agent while it is heard, and only then', () => {
    const caller = new Caller().hears(-70, 2_000).hears(-52, 1_000, true);
    expect(caller.at(true)).toBe(-46);
    expect(caller.at(false)).toBe(-50);
  });

  test('forgets that echo at 3 dB a second', () => {
    const caller = Caller.inQuietRoom().hears(-51, 1_000, true);
    expect(caller.at(true)).toBe(-45);
    expect(caller.hears(-70, 1_000, true).at(true)).toBe(-48);
  });

  test('rises from the second sound in a row that was none, by 6 dB each and 24 at most', () => {
    const { floor } = Caller.inQuietRoom();
    const after: number[] = [];
    for (let sound = 0; sound < 7; sound++) {
      floor.rejected(sound);
      after.push(Math.round(floor.at(sound, true)));
    }
    expect(after).toEqual([-50, -44, -38, -32, -26, -26, -26]);
  });

  test('comes down again at 2 dB a second', () => {
    const { floor } = Caller.inQuietRoom();
    for (let sound = 0; sound < 3; sound++) floor.rejected(0);
    expect(floor.at(0, true)).toBe(-38);
    expect(floor.at(3_000, true)).toBe(-44);
    expect(floor.at(6_000, true)).toBe(-50);
  });

  test('stays below a voice for a caller who coughs every two seconds', () => {
    const { floor } = Caller.inQuietRoom();
    for (let cough = 0; cough < 5; cough++) floor.rejected(2_000 * cough);
    expect(Math.round(floor.at(8_000, true))).toBe(-38);
  });

  test('takes sounds half a minute apart for no row', () => {
    const { floor } = Caller.inQuietRoom();
    for (const nowMs of [0, 31_000, 62_000]) floor.rejected(nowMs);
    expect(floor.at(62_000, true)).toBe(-50);
  });

  test('comes down at once when a sound was an interruption', () => {
    const { floor } = Caller.inQuietRoom();
    for (let sound = 0; sound < 4; sound++) floor.rejected(0);
    floor.confirmed();
    expect(floor.at(0, true)).toBe(-50);
    floor.rejected(0);
    expect(floor.at(0, true)).toBe(-50);
  });

  test('never shuts a loud caller out', () => {
    const caller = new Caller().hears(-10, 600_000);
    for (let sound = 0; sound < 9; sound++) caller.floor.rejected(caller.nowMs);
    expect(caller.at()).toBe(-12);
  });
});
