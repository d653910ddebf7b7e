/** The room that one is in: who is there and speaks, their pictures, one's own camera, and what a moderator may do. */
import type { Participant } from '../../../src/signaling/protocol.ts';
import type { Call } from '../client/call.ts';
import type { CallView } from '../client/call-view.ts';
import type { Failure } from '../client/failure.ts';
import { failureWords } from '../client/failure-words.ts';
import type { RoomView } from '../client/room.ts';
import { CameraIcon } from './icons.tsx';
import { Tile } from './tile.tsx';

interface PeoplePanelProps {
  call: Call;
  view: CallView;
  room: RoomView;
  /** The page's address for whoever should join. */
  link: string;
}

export function PeoplePanel({ call, view, room, link }: PeoplePanelProps) {
  return (
    <section className="panel people" aria-labelledby="people-heading" data-testid="people">
      <header className="panel-head">
        <h2 id="people-heading">Room {room.room}</h2>
        <span className="figures">{room.participants.length} here</span>
      </header>
      <Tiles view={view} room={room} />
      <ul className="people-list">
        {room.participants.map((participant) => (
          <Person key={participant.participantId} participant={participant} call={call} view={view} room={room} />
        ))}
      </ul>
      <div className="people-foot">
        {room.maySendVideo && (
          <button
            type="button"
            className="plain-button people-camera"
            data-testid="camera"
            aria-pressed={view.cameraStream !== null}
            onClick={() => void call.setCamera(view.cameraStream === null)}
          >
            <CameraIcon />
            {view.cameraStream === null ? 'Show my video' : 'Stop my video'}
          </button>
        )}
        <a href={link}>Link for others</a>
      </div>
      {view.cameraProblem && <Problem failure={view.cameraProblem} />}
      {room.problem && <Problem failure={room.problem} />}
    </section>
  );
}

function Problem({ failure }: { failure: Failure }) {
  const { title, advice } = failureWords(failure);
  return (
    <p className="people-problem" role="alert" data-code={failure.code}>
      {failure.code.startsWith('ERR_') && failure.message !== ''
        ? `Not done. ${failure.message}`
        : `${title}. ${advice}`}
    </p>
  );
}

function Tiles({ view, room }: { view: CallView; room: RoomView }) {
  const tiles = room.participants.flatMap((participant) => {
    const { participantId, name, video, speaking } = participant;
    const own = participantId === room.participantId;
    const stream = own ? view.cameraStream : video === null ? null : (room.streams.get(video) ?? null);
    return stream === null ? [] : [{ participantId, name: own ? 'You' : name, stream, own, speaking }];
  });
  if (tiles.length === 0) return null;
  return (
    <div className="tiles">
      {tiles.map(({ participantId, ...tile }) => (
        <Tile key={participantId} {...tile} />
      ))}
    </div>
  );
}

function Person(props: { participant: Participant; call: Call; view: CallView; room: RoomView }) {
  const { participant, call, view, room } = props;
  const { participantId, name } = participant;
  const own = participantId === room.participantId;
  const muted = own ? view.muted : participant.muted;
  const speaking = participant.speaking && !muted;
  return (
    <li
      className="person"
      data-participant={participantId}
      data-name={name}
      data-speaking={speaking}
      data-muted={muted}
    >
      <span className="person-name">
        {name}
        {own && <span className="quiet"> (you)</span>}
      </span>
      <span className="person-word">{word(participant, room, { own, muted, speaking })}</span>
      {room.moderates && !own && (
        <span className="person-orders">
          <button
            type="button"
            className="small-button"
            aria-label={`Mute ${name}`}
            aria-disabled={participant.muted}
            onClick={() => {
              if (!participant.muted) void call.muteOther(participantId);
            }}
          >
            Mute
          </button>
          <button
            type="button"
            className="small-button"
            aria-label={`Remove ${name}`}
            onClick={() => void call.removeOther(participantId)}
          >
            Remove
          </button>
        </span>
      )}
    </li>
  );
}

function word(
  { audio }: Participant,
  room: RoomView,
  { own, muted, speaking }: { own: boolean; muted: boolean; speaking: boolean },
): string {
  if (muted) return 'muted';
  if (!own && audio !== null && room.unheard.has(audio)) return 'can’t be heard here';
  if (!own && audio === null) return 'connecting';
  return speaking ? 'speaking' : 'quiet';
}
