/** Where a caller says that they want to be in a room with others, and by which name. Closed for whoever does not. */
import { useId, useState } from 'react';
import type { SeatFields, SeatProblem } from '../client/room.ts';

interface RoomChoiceProps {
  fields: SeatFields;
  /** To be told, since a call was asked for. */
  problem: SeatProblem | null;
  onChange: (fields: SeatFields) => void;
}

export function RoomChoice({ fields, problem, onChange }: RoomChoiceProps) {
  const [wished] = useState(fields.room !== '');
  return (
    <details className="room-choice" data-testid="room-choice" open={wished}>
      <summary>With others in a room</summary>
      <p className="quiet">
        Whoever names the same room hears you, and you share one agent. It tells you apart by your names.
      </p>
      <div className="room-fields">
        <Field name="room" label="Room" {...{ fields, problem, onChange }} />
        <Field name="name" label="Your name there" {...{ fields, problem, onChange }} />
      </div>
    </details>
  );
}

function Field(props: RoomChoiceProps & { name: keyof SeatFields; label: string }) {
  const { name, label, fields, problem, onChange } = props;
  const id = useId();
  const wrong = problem?.field === name ? problem.words : null;
  return (
    <div className="room-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        data-testid={`seat-${name}`}
        value={fields[name]}
        maxLength={name === 'room' ? 128 : 64}
        autoComplete={name === 'name' ? 'nickname' : 'off'}
        autoCapitalize={name === 'room' ? 'none' : 'words'}
        spellCheck={false}
        aria-invalid={wrong !== null || undefined}
        aria-describedby={wrong === null ? undefined : `${id}-problem`}
        onChange={(event) => onChange({ ...fields, [name]: event.target.value })}
      />
      {wrong !== null && (
        <p id={`${id}-problem`} className="room-problem" role="alert" data-testid="seat-problem">
          {wrong}
        </p>
      )}
    </div>
  );
}
