/**
 * Speech to text whose utterances are told to whoever watches: the seconds that were sent, and from the asking for the
 * final words to having them.
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
    let meter: ServiceMeter | null = null;
    const begin = () => new ServiceMeter(this.#service, this.#clock, options.watch);
    const usage = () => ({ audioInSeconds: samples / EAR_SAMPLE_RATE });
    const finish = async () => {
      meter = begin();
      try {
        const words = await utterance.finish();
        meter.came();
        meter.ended('ok', usage());
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
