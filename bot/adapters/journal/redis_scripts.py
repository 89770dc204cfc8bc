"""What the Redis server does as one step: each is either done whole or not at all, and nobody writes in between.

Rules: every script first makes sure that the journal is ours and, where a lease is in use, that the lease still carries our token; then
that the last entry is the one that the writer believes it to be. An entry's id in the stream is its number, so the server itself refuses a
second entry of the same number.

KEYS: 1 entries (stream), 2 facts (hash), 3 snapshots (hash), 4 the lease (any key when there is none).
ARGV: 1 identity, 2 what the lease must hold (empty: no lease is in use), then the script's own.
"""

from __future__ import annotations

from bot.adapters.journal.redis_link import Script

_COMMON = """
local function refusal()
  local owner = redis.call('HGET', KEYS[2], 'identity')
  if not owner then return {'GONE'} end
  if owner ~= ARGV[1] then return {'OTHER', owner} end
  if ARGV[2] ~= '' then
    local held = redis.call('GET', KEYS[4])
    if held ~= ARGV[2] then return {'FENCED', held or ''} end
  end
  return nil
end

local function link_in(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'link' then return fields[i + 1] end
  end
  return ''
end

local function tail()
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if last then return last[1], link_in(last[2]) end
  local base = redis.call('HMGET', KEYS[2], 'base_seq', 'base_link')
  return (base[1] or '0') .. '-0', base[2] or ''
end
"""


def _script(body: str) -> Script:
    return Script(_COMMON + body)


OPEN = _script("""
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 1 then return {'HALF'} end
  redis.call('HSET', KEYS[2], 'identity', ARGV[1], 'format', ARGV[3], 'epoch', '0', 'base_seq', '0', 'base_link', ARGV[4])
end
local facts = redis.call('HMGET', KEYS[2], 'identity', 'format', 'epoch', 'base_seq', 'base_link')
return {'OK', facts[1] or '', facts[2] or '', facts[3] or '', facts[4] or '', facts[5] or ''}
""")
"""ARGV 3 format, 4 link before the first entry. Makes the journal when there is nothing; its facts."""

APPEND = _script("""
local no = refusal()
if no then return no end
local id, link = tail()
if id ~= ARGV[4] .. '-0' or link ~= ARGV[5] then return {'TAIL', id, link} end
for i = 6, #ARGV, 3 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'link', ARGV[i + 1], 'payload', ARGV[i + 2])
end
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if tonumber(epoch or '0') < tonumber(ARGV[3]) then epoch = ARGV[3] end
redis.call('HSET', KEYS[2], 'epoch', epoch, 'written', #ARGV > 5 and ARGV[#ARGV - 2] or ARGV[4])
return {'OK'}
""")
"""ARGV 3 the least epoch, 4 and 5 number and link of the last entry as we know it, then number, link and payload of each new one.

It writes also without a new entry, so that a wait for the disk that follows covers everything before it.
"""

EPOCH = _script("""
local no = refusal()
if no then return no end
local epoch = tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0')
if epoch < tonumber(ARGV[3]) then epoch = tonumber(ARGV[3]) end
redis.call('HSET', KEYS[2], 'epoch', string.format('%d', epoch + 1))
return {'OK', string.format('%d', epoch + 1)}
""")
"""ARGV 3: an epoch that was given out already. The next one."""

CUT = _script("""
local no = refusal()
if no then return no end
local id, link = tail()
if id ~= ARGV[3] then return {'TAIL', id, link} end
local base = tonumber(redis.call('HGET', KEYS[2], 'base_seq') or '0')
local kept = redis.call('XRANGE', KEYS[1], string.format('%d-0', base + 1), ARGV[4] .. '-0')
redis.call('DEL', KEYS[1])
for _, entry in ipairs(kept) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
return {'OK'}
""")
"""ARGV 3 id of the last entry, 4 number of the entry that becomes the last.

The stream is written anew, without what lies before its base: from Redis 7.2 on XSETID takes no id below that of an entry that was deleted,
and the next entry's would be below it. The server answers nobody meanwhile: about a second for 60,000 entries of a kilobyte.
"""

SNAPSHOT = _script("""
local no = refusal()
if no then return no end
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
local seqs = redis.call('HKEYS', KEYS[3])
table.sort(seqs, function(a, b) return (tonumber(a) or 0) > (tonumber(b) or 0) end)
for i = tonumber(ARGV[3]) + 1, #seqs do redis.call('HDEL', KEYS[3], seqs[i]) end
return {'OK'}
""")
"""ARGV 3 how many to keep, 4 number of the entry that it stands for, 5 the snapshot."""

TRIM = _script("""
local no = refusal()
if no then return no end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3] .. '-0', ARGV[3] .. '-0')[1]
if not entry or link_in(entry[2]) ~= ARGV[4] then return {'TAIL', entry and entry[1] or '', entry and link_in(entry[2]) or ''} end
redis.call('HSET', KEYS[2], 'base_seq', ARGV[3], 'base_link', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d', tonumber(ARGV[3]) + 1) .. '-0')
return {'OK'}
""")
"""ARGV 3 and 4 number and link of the last entry that is kept elsewhere: it and all before it go."""
