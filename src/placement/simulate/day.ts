/**
 * One day of the world under several rules side by side: the same callers, the same minutes, the same weather, each
 * rule with its own seats. Where a region is lost, each rule's day splits in two at that minute, and both are lived to
 * the end. Owns time and seats; who goes where is the rules'.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Pin } from '../pin.ts';
import { Demand, MINUTES_A_DAY, sessionMinutes } from './demand.ts';
import { type Fleet, Seats } from './fleet.ts';
import { RandomStream } from './noise.ts';
import type { Population } from './population.ts';
import type { CallToPlace, Placed, Rule } from './rule.ts';
import { Tally } from './tally.ts';
import type { Truth } from './truth.ts';

export interface DayOptions {
  fleet: Fleet;
  truth: Truth;
  population: Population;
  rules: readonly Rule[];
  /** Of the callers of a country (by index); the same array each time. */
  pinsOf: (country: number) => readonly Pin[];
  sessions: number;
  meanMinutes: number;
  seed: number;
  /** `busiest`: whichever holds most sessions of the first rule then. */
  lost: { region: string | 'busiest'; minute: number | 'peak' } | null;
  signal: AbortSignal;
  progress?: (sessionsDone: number) => void;
}

/** One rule's day. */
export interface Lane {
  readonly rule: Rule;
  readonly seats: Seats;
  readonly tally: Tally;
  /** Nodes of each call; -1 when it has none. */
  readonly coreOf: Int32Array;
  readonly popOf: Int32Array;
}

export interface Day {
  readonly lanes: readonly Lane[];
  /** The same day from the loss on; empty without one. */
  readonly lostLanes: readonly Lane[];
  readonly lost: { readonly region: string; readonly minute: number } | null;
  /** Minutes between two samples of `Tally.samples`. */
  readonly sampleMinutes: number;
}

const SAMPLE_MINUTES = 10;
/** Aborts and signals are seen this often. */
const BREATHE_MINUTES = 5;

export async function simulateDay(options: DayOptions): Promise<Day> {
  const { population, fleet, sessions, meanMinutes, signal } = options;
  const demand = new Demand(population.cities, sessions);
  const random = new RandomStream(options.seed);
  const cityOf = new Int16Array(sessions);
  /** Calls by the minute in which they end; none lasts longer than an hour. */
  const ending: number[][] = Array.from({ length: MINUTES_A_DAY + 61 }, () => []);
  const lanes = options.rules.map((rule): Lane => lane(rule, options));
  let lostLanes: Lane[] = [];
  let lost: { region: string; minute: number } | null = null;
  const lossMinute =
    options.lost === null ? -1 : options.lost.minute === 'peak' ? demand.peakMinute : options.lost.minute;
  let call = 0;

  for (let minute = 0; minute < MINUTES_A_DAY; minute++) {
    for (const each of [...lanes, ...lostLanes]) {
      for (const ended of ending[minute]!) release(each, ended);
    }
    const isLoss = options.lost !== null && minute === lossMinute;
    if (isLoss) {
      const region = options.lost!.region === 'busiest' ? busiest(lanes[0]!) : options.lost!.region;
      lost = region === null ? null : { region, minute };
      if (region !== null) lostLanes = lanes.map((each) => split(each, region));
    }
    for (const each of [...lanes, ...lostLanes]) each.rule.startMinute(each.seats);
    if (isLoss) {
      const running = ending.slice(minute + 1).flat();
      for (const each of lostLanes) for (const moving of running) move(each, moving, cityOf[moving]!, options);
    }
    const drawCity = demand.citiesAt(minute);
    const starting = demand.startingIn(minute);
    const all = [...lanes, ...lostLanes];
    for (let index = 0; index < starting; index++, call++) {
      const city = drawCity(random);
      const minutes = sessionMinutes(random, meanMinutes);
      cityOf[call] = city;
      ending[minute + minutes]!.push(call);
      for (const each of all) start(each, call, city, minutes, options);
    }
    for (const each of all) observe(each, fleet, minute);
    if (minute % BREATHE_MINUTES === 0) {
      options.progress?.(call);
      await breathe();
      signal.throwIfAborted();
    }
  }
  options.progress?.(call);
  return { lanes, lostLanes, lost, sampleMinutes: SAMPLE_MINUTES };
}

function lane(rule: Rule, { fleet, sessions, population }: DayOptions): Lane {
  return {
    rule,
    seats: new Seats(fleet),
    tally: new Tally(population.countries.length, fleet.cores.length),
    coreOf: new Int32Array(sessions).fill(-1),
    popOf: new Int32Array(sessions).fill(-1),
  };
}

/** The same lane in a world without a region. */
function split({ rule, seats, tally, coreOf, popOf }: Lane, region: string): Lane {
  const without = seats.copy();
  without.lose(region);
  return { rule: rule.copy(), seats: without, tally: tally.copy(), coreOf: coreOf.slice(), popOf: popOf.slice() };
}

function start(
  each: Lane,
  call: number,
  city: number,
  minutes: number,
  { truth, population, pinsOf }: DayOptions,
): void {
  const country = population.cities[city]!.countryIndex;
  const asked: CallToPlace = { call, city, pins: pinsOf(country), popNode: null, currentCore: null };
  const placed = each.rule.place(asked, each.seats);
  if (typeof placed === 'string') {
    each.tally.refuse(country, placed);
    return;
  }
  seat(each, call, placed);
  const { nodes, coreSiteOf } = each.seats.fleet;
  const pop = truth.indexOf(nodes[placed.popNode]!.region);
  const core = truth.indexOf(nodes[placed.coreNode]!.region);
  const ms = truth.turnMs(call, city, pop, core, placed.choices);
  each.tally.place(country, coreSiteOf[placed.coreNode]!, ms, minutes, placed.cents);
}

/** A running call whose POP or core is gone finds another, or ends. */
function move(each: Lane, call: number, city: number, { population, pinsOf }: DayOptions): void {
  const { seats, tally } = each;
  const core = each.coreOf[call]!;
  const pop = each.popOf[call]!;
  if (core === -1 || (seats.gone[core] === 0 && seats.gone[pop] === 0)) return;
  const { nodes } = seats.fleet;
  const asked: CallToPlace = {
    call,
    city,
    pins: pinsOf(population.cities[city]!.countryIndex),
    popNode: seats.gone[pop] === 0 ? pop : null,
    currentCore: seats.gone[core] === 0 ? nodes[core]!.region : null,
  };
  release(each, call);
  const placed = each.rule.place(asked, seats);
  if (typeof placed === 'string') {
    tally.ended += 1;
    return;
  }
  seat(each, call, placed);
  tally.moved += 1;
}

function seat(each: Lane, call: number, { popNode, coreNode }: Placed): void {
  each.popOf[call] = popNode;
  each.coreOf[call] = coreNode;
  each.seats.sessions[popNode]!++;
  each.seats.sessions[coreNode]!++;
}

function release(each: Lane, call: number): void {
  const core = each.coreOf[call]!;
  if (core === -1) return;
  each.seats.sessions[core]!--;
  each.seats.sessions[each.popOf[call]!]!--;
  each.coreOf[call] = -1;
  each.popOf[call] = -1;
}

function observe({ seats, tally }: Lane, fleet: Fleet, minute: number): void {
  const now = fleet.cores.map((site) => seats.sessionsAt(site));
  for (const [site, count] of now.entries()) tally.peak(site, count);
  if (minute % SAMPLE_MINUTES === 0) tally.samples.push(now);
}

/** Null in a world without cores. */
function busiest({ seats }: Lane): string | null {
  let most: { region: string; sessions: number } | null = null;
  for (const site of seats.fleet.cores) {
    const sessions = seats.sessionsAt(site);
    if (most === null || sessions > most.sessions) most = { region: site.region, sessions };
  }
  return most?.region ?? null;
}
