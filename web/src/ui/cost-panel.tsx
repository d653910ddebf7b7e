/** What the call cost so far, by service; what has no price is named beside the sum. */
import type { CallUsage } from '../../../src/agent/client-events.ts';
import { costWords, totalWords, unitWords } from '../client/cost.ts';

const KIND_WORDS = { stt: 'Speech to text', llm: 'Language model', tts: 'Text to speech', s2s: 'Speech to speech' };

export function CostPanel({ usage, over }: { usage: CallUsage; over: boolean }) {
  return (
    <section className="panel cost" aria-labelledby="cost-heading" data-testid="cost">
      <header className="panel-head">
        <h2 id="cost-heading">{over ? 'What this call cost' : 'Cost so far'}</h2>
        <p className="figures cost-total" data-testid="cost-total">
          {totalWords(usage)}
        </p>
      </header>
      <table className="cost-table">
        <caption className="visually-hidden">Cost by service</caption>
        <thead className="visually-hidden">
          <tr>
            <th scope="col">Service</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {usage.services.map((service) => (
            <tr
              key={`${service.kind} ${service.service} ${service.model}`}
              data-kind={service.kind}
              data-service={service.service}
            >
              <th scope="row">
                <span className="cost-kind">{KIND_WORDS[service.kind]}</span>
                <span className="cost-service">
                  {service.service}
                  {service.model !== null && ` ${service.model}`}
                </span>
                <span className="cost-units figures">{unitWords(service)}</span>
              </th>
              <td className="figures" data-unpriced={service.costUsd === null || undefined}>
                {costWords(service)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {usage.unpriced.length > 0 && (
        <div className="cost-note">
          <p>Not in the sum:</p>
          <ul data-testid="cost-unpriced">
            {usage.unpriced.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}
