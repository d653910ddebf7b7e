/** The voices of the others in a room: an audio element for each. What a browser holds back, AgentAudio asks for. */
import { othersIn, type RoomView } from '../client/room.ts';
import { usePlayed } from './use-played.ts';

export function RoomAudio({ room }: { room: RoomView }) {
  return othersIn(room).map(({ participantId, name, audio }) => (
    <Voice key={participantId} name={name} stream={audio === null ? null : (room.streams.get(audio) ?? null)} />
  ));
}

function Voice({ name, stream }: { name: string; stream: MediaStream | null }) {
  const { audio } = usePlayed(stream);
  // biome-ignore lint/a11y/useMediaCaption: the transcript is the caption
  return <audio ref={audio} autoPlay data-testid="other-audio" data-name={name} />;
}
