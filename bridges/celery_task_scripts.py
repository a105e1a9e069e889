"""The scripts of `celery_task_claims`: KEYS[1] is a record, its signs of life are beside it under `:alive`."""

CLAIM = """
local state = redis.call('HGET', KEYS[1], 'state')
local run = tonumber(redis.call('HGET', KEYS[1], 'run') or '1')
if state == 'finished' and ARGV[5] == '1' and redis.call('HGET', KEYS[1], 'failed') == '1' then
  run, state = run + 1, false
end
if not state then
  redis.call('DEL', KEYS[1], KEYS[1] .. ':alive')
  redis.call('HSET', KEYS[1], 'state', 'sending', 'run', run, 'order', -1, 'workflow_id', ARGV[2], 'run_id', ARGV[3],
    'activity_id', ARGV[4], 'retry_failures', ARGV[5], 'heartbeat_ms', ARGV[6])
  state = 'sending'
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {run, state}
"""

START = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'run' end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] or state == 'finished' or state == 'cancelled' then return 'drop' end
if state == 'running' and tonumber(ARGV[2]) <= tonumber(redis.call('HGET', KEYS[1], 'order'))
  and ARGV[4] ~= '1' and redis.call('EXISTS', KEYS[1] .. ':alive') == 1 then return 'doubtful' end
redis.call('HSET', KEYS[1], 'state', 'running', 'order', ARGV[2], 'acks_late', ARGV[3])
redis.call('INCR', KEYS[1] .. ':alive')
redis.call('PEXPIRE', KEYS[1] .. ':alive', redis.call('HGET', KEYS[1], 'heartbeat_ms'))
return 'run'
"""

# A move: ARGV = run, the states it may come from, the new state, the order that the mover has ('' for any).
MOVE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state or redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return 0 end
if not string.find(',' .. ARGV[2] .. ',', ',' .. state .. ',', 1, true) then return 0 end
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 'order') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'failed', ARGV[5])
if state == 'running' then redis.call('DEL', KEYS[1] .. ':alive') end
return 1
"""
