/**
 * What has to be one step in Redis, in Lua. Owns the scripts and their keys' order; leases are counted by Redis's own
 * clock. A script's keys share one hash tag, so that they lie in one slot of a Cluster.
 */

import { LOST_NODES_MS } from '../registry.ts';

interface LuaScript {
  readonly lua: string;
  readonly numberOfKeys: number;
}

/** Milliseconds since 1970 as text: Lua's own way to write them would lose digits. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
`;

/**
 * Keys: records, etags, leases, incarnation, orders. Arguments: node id, record, etag, lease in ms, '1' to tell
 * everybody, channel, an incarnation for a store that has none yet, being empty. Answers: the incarnation, and the order
 * that stands for the node or ''.
 */
const ANNOUNCE = `${NOW}
redis.call('SET', KEYS[4], ARGV[7], 'NX')
local lease = redis.call('ZSCORE', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[3] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
redis.call('ZADD', KEYS[3], text(now + ARGV[4]), ARGV[1])
if ARGV[5] == '1' or not lease or tonumber(lease) <= now then redis.call('PUBLISH', ARGV[6], ARGV[1]) end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now - ${LOST_NODES_MS}), 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[5], id)
end
return {redis.call('GET', KEYS[4]), redis.call('HGET', KEYS[5], ARGV[1]) or ''}
`;

/** Keys: records, etags, leases, orders. Arguments: node id, channel. */
const WITHDRAW = `
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then redis.call('PUBLISH', ARGV[2], ARGV[1]) end
return 1
`;

/** Keys: etags, leases, incarnation. Answers: incarnation or '', then id, etag and remaining ms of each live node. */
const LEASES = `${NOW}
local answer = {redis.call('GET', KEYS[3]) or ''}
local live = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. text(now), '+inf', 'WITHSCORES')
for at = 1, #live, 2 do
  local etag = redis.call('HGET', KEYS[1], live[at])
  if etag then
    answer[#answer + 1] = live[at]
    answer[#answer + 1] = etag
    answer[#answer + 1] = text(tonumber(live[at + 1]) - now)
  end
end
return answer
`;

/** Keys: records, leases. Answers: id, record and remaining ms of each node, below 0 for those that were lost. */
const PRESENCES = `${NOW}
local answer = {}
local all = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. text(now - ${LOST_NODES_MS}), '+inf', 'WITHSCORES')
for at = 1, #all, 2 do
  local record = redis.call('HGET', KEYS[1], all[at])
  if record then
    answer[#answer + 1] = all[at]
    answer[#answer + 1] = record
    answer[#answer + 1] = text(tonumber(all[at + 1]) - now)
  end
end
return answer
`;

/** Key: session. Arguments: epoch, record, time to live in ms. Answers 0 when it is there. */
const CREATE_SESSION = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revision', '1', 'record', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/**
 * Key: session. Arguments: expected revision, new epoch, record, time to live in ms. Answers 0 when somebody else wrote
 * in between.
 */
const UPDATE_SESSION = `
local revision = redis.call('HGET', KEYS[1], 'revision')
if revision ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'revision', tostring(tonumber(revision) + 1), 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`;

/**
 * Key: session. Arguments: epoch, record, time to live in ms, '1' to write over one of the same epoch or an older one.
 * Answers 1 when it was written.
 */
const RESTORE_SESSION = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and (ARGV[4] ~= '1' or tonumber(epoch) > tonumber(ARGV[1])) then return 0 end
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revision', tostring(tonumber(revision) + 1), 'record', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

const READ_HOME = `
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'core', 'released', 'pop')
local epoch = stored[1] and tonumber(stored[1])
if stored[3] then return {'released'} end
local function known() return {'taken', stored[1], stored[2]} end
`;

/** Arguments 1 to 7 of those who write a home: pop, core, epoch, zone, lease in ms, retention in ms, generation or 0. */
const WRITE_HOME = `${NOW}
local function write()
  redis.call('HSET', KEYS[1], 'v', '1', 'pop', ARGV[1], 'core', ARGV[2], 'epoch', ARGV[3], 'zone', ARGV[4],
    'until', text(now + ARGV[5]))
  local generation = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
  if tonumber(ARGV[7]) > generation then redis.call('HSET', KEYS[1], 'generation', ARGV[7]) end
  redis.call('PEXPIRE', KEYS[1], text(ARGV[5] + ARGV[6]))
end
`;

/** Key: home. Arguments: see WRITE_HOME. Answers {'ok'}, {'taken', epoch, core} or {'released'}, as all of homes do. */
const CLAIM_HOME = `${WRITE_HOME}${READ_HOME}
if epoch and (epoch ~= tonumber(ARGV[3]) or stored[2] ~= ARGV[2]) then return known() end
write()
return {'ok'}
`;

/** Key: home. Arguments: see WRITE_HOME; the epoch is the new one. */
const TAKE_OVER_HOME = `${WRITE_HOME}${READ_HOME}
local next = tonumber(ARGV[3])
local done = epoch == next and stored[2] == ARGV[2] and stored[4] == ARGV[1]
if epoch and epoch ~= next - 1 and not done then return known() end
write()
return {'ok'}
`;

/** Key: home. Arguments: see WRITE_HOME. Answers {'reclaimed'} when the home was not there, or at an older epoch. */
const RENEW_HOME = `${WRITE_HOME}${READ_HOME}
local mine = tonumber(ARGV[3])
if epoch and (epoch > mine or (epoch == mine and stored[2] ~= ARGV[2])) then return known() end
write()
if epoch == mine then return {'ok'} end
return {'reclaimed'}
`;

/** Key: home. Arguments: epoch, retention in ms. Answers 0 when a newer epoch has it. */
const RELEASE_HOME = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return 1 end
if tonumber(epoch) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'released', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
`;

/** Key: home. Answers {v, pop, core, epoch, zone, remaining ms, generation or 0}, or nothing when it is unknown or was released. */
const GET_HOME = `${NOW}
local home = redis.call('HMGET', KEYS[1], 'v', 'pop', 'core', 'epoch', 'zone', 'until', 'released', 'generation')
if not home[1] or home[7] then return {} end
return {home[1], home[2], home[3], home[4], home[5], text(math.max(0, tonumber(home[6]) - now)), home[8] or '0'}
`;

/**
 * Reads a room: `home` of its stored fields, `pops` of the POPs whose lease runs, `others` seats of those but ARGV[2]. The
 * leases are one field, `pop end seats` in each line, so that the rights of before do.
 */
const READ_ROOM = `${NOW}
local stored = redis.call('HMGET', KEYS[1], 'v', 'core', 'agent', 'residency', 'pops')
local home = {v = stored[1], core = stored[2], agent = stored[3], residency = stored[4]}
local pops, others, live = {}, 0, 0
for pop, ends, seats in string.gmatch(stored[5] or '', '([^ \\n]+) (%d+) (%d+)') do
  if tonumber(ends) > now then
    pops[pop] = {ends, seats}
    live = live + 1
    if pop ~= ARGV[2] then others = others + tonumber(seats) end
  end
end
local function keep()
  local lines = {}
  for pop, lease in pairs(pops) do lines[#lines + 1] = pop .. ' ' .. lease[1] .. ' ' .. lease[2] end
  redis.call('HSET', KEYS[1], 'pops', table.concat(lines, '\\n'))
end
local function held()
  local answer = {'held', home.v, home.core, home.agent, home.residency}
  for pop, lease in pairs(pops) do
    answer[#answer + 1] = pop
    answer[#answer + 1] = lease[2]
  end
  return answer
end
`;

/**
 * Key: room. Arguments: 'hold', 'renew' or 'move', pop, its seats, core, agent, residency or '', of a move the core that
 * is left, of a hold the most seats, lease in ms. Answers {'full'}, or {'held', v, core, agent, residency} and pop and
 * seats of each.
 */
const HOLD_ROOM = `${READ_ROOM}
local hold = ARGV[1] == 'hold'
if hold and live > 0 and (home.agent ~= ARGV[5] or home.residency ~= ARGV[6]) then return held() end
if hold and others + tonumber(ARGV[3]) > tonumber(ARGV[8]) then return {'full'} end
if live == 0 or (ARGV[1] == 'move' and home.core == ARGV[7]) then
  home = {v = '1', core = ARGV[4], agent = ARGV[5], residency = ARGV[6]}
  redis.call('HSET', KEYS[1], 'v', home.v, 'core', home.core, 'agent', home.agent, 'residency', home.residency)
end
pops[ARGV[2]] = {text(now + ARGV[9]), ARGV[3]}
keep()
redis.call('PEXPIRE', KEYS[1], text(ARGV[9] * 10))
return held()
`;

/** Key: room. Arguments: '', pop. */
const DROP_ROOM = `${READ_ROOM}
if not pops[ARGV[2]] then return 0 end
pops[ARGV[2]] = nil
if live == 1 then redis.call('DEL', KEYS[1]) else keep() end
return 1
`;

/** Key: room. Answers as HOLD_ROOM, or nothing when nobody has it. */
const GET_ROOM = `${READ_ROOM}
if live == 0 then return {} end
return held()
`;

export const LUA_SCRIPTS = {
  antipodeAnnounce: { lua: ANNOUNCE, numberOfKeys: 5 },
  antipodeWithdraw: { lua: WITHDRAW, numberOfKeys: 4 },
  antipodeLeases: { lua: LEASES, numberOfKeys: 3 },
  antipodePresences: { lua: PRESENCES, numberOfKeys: 2 },
  antipodeCreateSession: { lua: CREATE_SESSION, numberOfKeys: 1 },
  antipodeUpdateSession: { lua: UPDATE_SESSION, numberOfKeys: 1 },
  antipodeRestoreSession: { lua: RESTORE_SESSION, numberOfKeys: 1 },
  antipodeClaimHome: { lua: CLAIM_HOME, numberOfKeys: 1 },
  antipodeTakeOverHome: { lua: TAKE_OVER_HOME, numberOfKeys: 1 },
  antipodeRenewHome: { lua: RENEW_HOME, numberOfKeys: 1 },
  antipodeReleaseHome: { lua: RELEASE_HOME, numberOfKeys: 1 },
  antipodeGetHome: { lua: GET_HOME, numberOfKeys: 1 },
  antipodeHoldRoom: { lua: HOLD_ROOM, numberOfKeys: 1 },
  antipodeDropRoom: { lua: DROP_ROOM, numberOfKeys: 1 },
  antipodeGetRoom: { lua: GET_ROOM, numberOfKeys: 1 },
} as const satisfies Record<string, LuaScript>;

export type ScriptName = keyof typeof LUA_SCRIPTS;
