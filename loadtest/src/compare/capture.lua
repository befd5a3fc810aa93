-- Captures: KEYS[1] is the wallet; ARGV the hold's id, the amount used and the idempotency key. What
-- was held beyond the amount is released. Answers with a receipt: "captured AVAILABLE HELD".
local remembered = KEYS[1] .. ':op:' .. ARGV[3]
local receipt = redis.call('GET', remembered)
if receipt then
    return receipt
end
local hold = KEYS[1] .. ':hold:' .. ARGV[1]
local reserved, amount = tonumber(redis.call('GET', hold) or nil), tonumber(ARGV[2])
if not reserved then
    return redis.error_reply('NOHOLD no such hold')
end
if amount > reserved then
    return redis.error_reply('OVERCAPTURE the hold is smaller')
end
local money = redis.call('HMGET', KEYS[1], 'available', 'held')
local available = string.format('%.0f', tonumber(money[1]) + reserved - amount)
local held = string.format('%.0f', tonumber(money[2]) - reserved)
receipt = 'captured ' .. available .. ' ' .. held
redis.call('HSET', KEYS[1], 'available', available, 'held', held)
redis.call('DEL', hold)
redis.call('SET', remembered, receipt, 'EX', 86400)
return receipt
