/**
 * Speech to text whose utterances are told to whoever watches: the seconds that were sent, and from the asking for the
 * final words to having them, also where they were asked for before the end.
 */
import type { Clock } from '../../../clock.ts';
import { EAR_SAMPLE_RATE } from '../../types.ts';
import type { Stt, SttListenOptions, SttUtterance } from '../stt.ts';
import { type MeteredService, outcomeOf, ServiceMeter } from './service-meter.ts';

export class MeteredStt implements Stt {
  readonly name: string;
  readonly #stt: Stt;
  readonly #service: MeteredService;
  readonly #clock: Clock;

  constructor(stt: Stt, { clock, ...service }: Omit<MeteredService, 'kind'> & { clock: Clock }) {
    this.name = service.service;
    this.#stt = stt;
    this.#service = { kind: 'stt', ...service };
    this.#clock = clock;
  }

  listen(options: SttListenOptions): SttUtterance {
    const utterance = this.#stt.listen(options);
    let samples = 0;
    /** Samples whose words were asked for. */
    let asked = 0;
    let meter: ServiceMeter | null = null;
    const begin = () => new ServiceMeter(this.#service, this.#clock, options.watch);
    const usage = () => ({ audioInSeconds: samples / EAR_SAMPLE_RATE });
    const measure = () => {
      meter ??= begin();
      if (asked !== samples) meter.restart();
      asked = samples;
      return meter;
    };
    const ask = async () => {
      const asking = measure();
      const came = (await utterance.ask?.()) ?? false;
      if (came && asked === samples) asking.came();
      return came;
    };
    const finish = async () => {
      const meter = measure();
      try {
        const words = await utterance.finish();
        meter.ended('ok', usage(), meter.came());
        return words;
      } catch (error) {
        meter.ended(outcomeOf(error, options.signal), usage());
        throw error;
      }
    };
    return {
      write: (pcm) => {
        samples += pcm.length;
        utterance.write(pcm);
      },
      ...(utterance.ask && { ask }),
      finish,
      close: () => {
        // Sound that was sent is paid for, whether or not its words were wanted.
        if (meter === null && samples > 0) meter = begin();
        meter?.ended(options.signal.aborted ? outcomeOf(null, options.signal) : 'aborted', usage());
        utterance.close();
      },
    };
  }
}
