/** What a POP counts of its rooms, on the process's metrics. Owns their names. */
import { type Counter, counter, type Gauge, gauge, type Registry } from '../telemetry/index.ts';

export interface RoomMetrics {
  rooms: Gauge;
  seats: Gauge;
  notices: Counter<'notice'>;
  /** What a core told of a room that is not here, or of a stream that could not be had. */
  ignored: Counter<'what'>;
}

export function roomMetrics(registry: Registry): RoomMetrics {
  return {
    rooms: gauge(registry, 'antipode_edge_rooms', 'Rooms with callers at this POP.'),
    seats: gauge(registry, 'antipode_edge_room_seats', 'Callers of this POP that are in rooms.'),
    notices: counter(registry, 'antipode_edge_room_notices_total', 'What callers were told of others in their room.', [
      'notice',
    ]),
    ignored: counter(
      registry,
      'antipode_edge_room_ignored_total',
      'What a core told of a room and could not be used here.',
      ['what'],
    ),
  };
}
