-- Authorizes: KEYS[1] is the wallet, a hash of its money in whole units; ARGV the hold's id, which is
-- the idempotency key, and the amount. Answers with a receipt: "held AVAILABLE HELD".
local remembered = KEYS[1] .. ':op:' .. ARGV[1]
local receipt = redis.call('GET', remembered)
if receipt then
    return receipt
end
local money = redis.call('HMGET', KEYS[1], 'available', 'held')
if not money[1] then
    return redis.error_reply('NOWALLET no such wallet')
end
local available, held, amount = tonumber(money[1]), tonumber(money[2]), tonumber(ARGV[2])
if available < amount then
    return string.format('declined %.0f %.0f', available, held)
end
available = string.format('%.0f', available - amount)
held = string.format('%.0f', held + amount)
receipt = 'held ' .. available .. ' ' .. held
redis.call('HSET', KEYS[1], 'available', available, 'held', held)
redis.call('SET', KEYS[1] .. ':hold:' .. ARGV[1], ARGV[2])
redis.call('SET', remembered, receipt, 'EX', 86400)
return receipt
