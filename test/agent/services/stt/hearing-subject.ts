/** A streaming adapter with the fake of its service, for the suite of all: what is the same whatever the protocol. */
import type { StreamingStt } from '../../../../src/agent/services/stt.ts';
import type { HearingServer } from '../../../fakes/hearing-socket.ts';
import type { SttSubject } from './conformance.ts';

export interface HearingSubjectOptions {
  stt: StreamingStt;
  fake: { readonly server: HearingServer; close(): Promise<void> };
  /** A message of the protocol whose fields are of other types. */
  wrongShape: string | Buffer;
  stall(): void;
  askedForWords(): boolean;
}

export function hearingSubject({ stt, fake, wrongShape, stall, askedForWords }: HearingSubjectOptions): SttSubject {
  const { faults } = fake.server;
  return {
    stt,
    stall,
    askedForWords,
    refuse: (status) => {
      faults.refuse = status;
    },
    talkNonsense: (kind) => {
      const frame = kind === 'half' ? '{"type": "Resu' : wrongShape;
      Object.assign(faults, { garbage: 20, garbageOnly: true, garbageFrames: [frame] });
    },
    cut: () => {
      Object.assign(faults, { cutAfterSamples: 12_000, cuts: 1 });
    },
    deafen: () => fake.server.deafen(),
    connections: () => fake.server.requests.length,
    openCount: () => fake.server.openCount,
    stop: () => fake.close(),
    close: async () => {
      stt.close();
      await fake.close();
    },
  };
}
