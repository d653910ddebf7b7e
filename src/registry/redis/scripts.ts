/**
 * What has to be one step in Redis, in Lua. Owns the scripts and their keys' order; leases are counted by Redis's own
 * clock. A script's keys share one hash tag, so that they lie in one slot of a Cluster.
 */

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
 * Keys: records, etags, leases, incarnation. Arguments: node id, record, etag, lease in ms, '1' to tell everybody,
 * channel, an incarnation for a store that has none yet, being empty. Answers: the incarnation.
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
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now - 60000), 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return redis.call('GET', KEYS[4])
`;

/** Keys: records, etags, leases. Arguments: node id, channel. */
const WITHDRAW = `
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
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
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'core', 'released')
local epoch = stored[1] and tonumber(stored[1])
if stored[3] then return {'released'} end
local function known() return {'taken', stored[1], stored[2]} end
`;

/** Arguments 1 to 6 of those who write a home: pop, core, epoch, zone, lease in ms, retention in ms. */
const WRITE_HOME = `${NOW}
local function write()
  redis.call('HSET', KEYS[1], 'v', '1', 'pop', ARGV[1], 'core', ARGV[2], 'epoch', ARGV[3], 'zone', ARGV[4],
    'until', text(now + ARGV[5]))
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
local done = epoch == next and stored[2] == ARGV[2]
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

/** Key: home. Answers {v, pop, core, epoch, zone, remaining ms}, or nothing when it is unknown or was released. */
const GET_HOME = `${NOW}
local home = redis.call('HMGET', KEYS[1], 'v', 'pop', 'core', 'epoch', 'zone', 'until', 'released')
if not home[1] or home[7] then return {} end
return {home[1], home[2], home[3], home[4], home[5], text(math.max(0, tonumber(home[6]) - now))}
`;

export const LUA_SCRIPTS = {
  antipodeAnnounce: { lua: ANNOUNCE, numberOfKeys: 4 },
  antipodeWithdraw: { lua: WITHDRAW, numberOfKeys: 3 },
  antipodeLeases: { lua: LEASES, numberOfKeys: 3 },
  antipodeCreateSession: { lua: CREATE_SESSION, numberOfKeys: 1 },
  antipodeUpdateSession: { lua: UPDATE_SESSION, numberOfKeys: 1 },
  antipodeRestoreSession: { lua: RESTORE_SESSION, numberOfKeys: 1 },
  antipodeClaimHome: { lua: CLAIM_HOME, numberOfKeys: 1 },
  antipodeTakeOverHome: { lua: TAKE_OVER_HOME, numberOfKeys: 1 },
  antipodeRenewHome: { lua: RENEW_HOME, numberOfKeys: 1 },
  antipodeReleaseHome: { lua: RELEASE_HOME, numberOfKeys: 1 },
  antipodeGetHome: { lua: GET_HOME, numberOfKeys: 1 },
} as const satisfies Record<string, LuaScript>;

export type ScriptName = keyof typeof LUA_SCRIPTS;
