/** What placement predicted for a turn: by part, and what it would have been elsewhere, or why it could not be there. */

import { milliseconds } from '../client/milliseconds.ts';
import { elsewhereWords, hasUnknownPlace, type Prediction, partRows, pinWords } from '../client/prediction.ts';

export function PredictionNote({ prediction, region }: { prediction: Prediction; region: string }) {
  const { predictedMs, alternatives, pins } = prediction;
  const rows = partRows(prediction);
  return (
    <div className="prediction" data-testid="prediction">
      <p className="prediction-sum">
        Predicted from your last word to the answer:{' '}
        <b className="figures" data-testid="predicted-ms">
          {milliseconds(predictedMs.p50)}
        </b>
        <span className="figures">, 19 times in 20 within {milliseconds(predictedMs.p95)}</span>
      </p>
      <div className="prediction-bar" aria-hidden="true">
        {rows.map(({ part, share }) => (
          <span key={part} data-part={part} style={{ flexGrow: share }} />
        ))}
      </div>
      <table className="prediction-parts">
        <caption className="visually-hidden">Predicted time by part</caption>
        <tbody>
          {rows.map(({ part, name, ms, detail }) => (
            <tr key={part} data-part={part}>
              <th scope="row">
                <span className="prediction-swatch" data-part={part} aria-hidden="true" />
                {name}
                {detail !== null && <span className="prediction-detail">{detail}</span>}
              </th>
              <td className="figures">{milliseconds(ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hasUnknownPlace(prediction) && (
        <p className="prediction-unknown">
          Paths by assumption count as the longest there are: this server was not told where it, or a service, stands.
        </p>
      )}
      {alternatives.length > 0 && (
        <>
          <h3>Elsewhere than in {region}</h3>
          <ul className="prediction-elsewhere" data-testid="alternatives">
            {alternatives.map((alternative) => (
              <li key={alternative.core} data-core={alternative.core}>
                <b>{alternative.core}</b> <span>{elsewhereWords(alternative, prediction)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      {pins.length > 0 && <p className="prediction-pins">Pinned to {pins.map(pinWords).join('; ')}.</p>}
    </div>
  );
}
