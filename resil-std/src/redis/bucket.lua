-- The steps of resil_core::rate_limit::BucketNumbers. Lua's numbers are exact up to 2^53 only, so a
-- number of 64 bits is four limbs of 16, the least first. The uppermost limb of a sum takes its carry.

local BASE = 65536

local function read(bytes, at)
    local a, b, c, d, e, f, g, h = string.byte(bytes, at, at + 7)
    return {g * 256 + h, e * 256 + f, c * 256 + d, a * 256 + b}
end

local function write(number)
    local bytes = ''
    for i = 1, 4 do
        bytes = string.char(math.floor(number[i] / 256), number[i] % 256) .. bytes
    end
    return bytes
end

local function less(a, b)
    for i = 4, 1, -1 do
        if a[i] ~= b[i] then
            return a[i] < b[i]
        end
    end
    return false
end

local function add(a, b)
    local sum, carry = {}, 0
    for i = 1, 3 do
        local limb = a[i] + b[i] + carry
        sum[i] = limb % BASE
        carry = math.floor(limb / BASE)
    end
    sum[4] = a[4] + b[4] + carry
    return sum
end

-- a - b, where b is not greater.
local function subtract(a, b)
    local difference, borrow = {}, 0
    for i = 1, 4 do
        local limb = a[i] - b[i] - borrow
        difference[i] = limb % BASE
        borrow = limb < 0 and 1 or 0
    end
    return difference
end

local function half(number)
    local halved, carry = {}, 0
    for i = 4, 1, -1 do
        local limb = number[i] + carry * BASE
        halved[i] = math.floor(limb / 2)
        carry = limb % 2
    end
    return halved
end

-- The upper and the lower 64 bits of a · b.
local function product(a, b)
    local limbs = {0, 0, 0, 0, 0, 0, 0, 0}
    for i = 1, 4 do
        local carry = 0
        for j = 1, 4 do
            local limb = limbs[i + j - 1] + a[i] * b[j] + carry
            limbs[i + j - 1] = limb % BASE
            carry = math.floor(limb / BASE)
        end
        limbs[i + 4] = carry
    end
    return {limbs[5], limbs[6], limbs[7], limbs[8]}, {limbs[1], limbs[2], limbs[3], limbs[4]}
end

local NONE = {0, 0, 0, 0}
local ONE = {1, 0, 0, 0}

local function read_bucket(bytes)
    return {
        full = read(bytes, 1),
        shortfall = read(bytes, 9),
        excess = read(bytes, 17),
        horizon = read(bytes, 25),
    }
end

local function begin(bucket, unit)
    return subtract(unit, half(add(product(unit, bucket.shortfall), ONE)))
end

local function unit_of(bucket, now)
    local high, low = product(now, bucket.excess)
    low = add(low, add(half(bucket.excess), {0, 0, 0, 32768}))
    local carry = low[4] >= BASE and ONE or NONE
    local unit = add(add(now, high), carry)
    local following = add(unit, ONE)
    return less(now, begin(bucket, following)) and unit or following
end

-- The state to store and the unit of `now`; nothing where the state stays as it is.
local function decide(bucket, state, cost, now)
    if less(bucket.horizon, now) then
        return nil
    end
    local unit = unit_of(bucket, now)
    if not less(add(unit, bucket.full), add(state, cost)) then
        return add(less(unit, state) and state or unit, cost), unit
    end
    if less(add(unit, add(bucket.full, bucket.full)), state) then
        return add(unit, bucket.full), unit
    end
    return nil
end
