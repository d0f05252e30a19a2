local t = {1,2,3,nil,5} print(#t, select('#', unpack(t)), select(2, 'a', 'b', 'c'), select(-1, 1, 2))
print(next({}), type(next), type(nil), rawequal("a", "a"), not nil, nil == false, 1 == "1")
local a, b, c = (function() return 1, 2, 3 end)() print(a, b, c, (function() return 1, 2 end)())
print(pcall(error, {1}) , pcall(error, "x", 0), pcall(error), select('#', pcall(error)))
local mt = setmetatable({}, {__index = function(t, k) return k .. "!" end, __call = function(self, x) return x * 2 end, __add = function(a, b) return "add" end, __tostring = function() return "obj" end, __concat = function() return "cat" end, __eq = function() return true end, __lt = function() return true end, __unm = function() return "neg" end, __newindex = function(t, k, v) rawset(t, k, v + 1) end})
print(mt.foo, mt(21), mt + 1, 1 + mt, tostring(mt), mt .. "x", "x" .. mt, -mt, mt < mt, mt <= mt) mt.z = 1 print(rawget(mt, "z"))
local fns = {} for i = 1, 3 do fns[i] = function() i = i + 1 return i end end print(fns[1](), fns[1](), fns[2](), fns[3]())
local function va(...) local x, y = ... return select('#', ...), x, y, ... end print(va(), (va(1, nil, 3))) print(va(1, nil, 3))
local s = 0 for i = 10, 1, -3 do s = s + i end print(s) for i = 1, 0 do print("never") end for i = 1, 3 do if i == 2 then break end print(i) end
local n = 0 while true do n = n + 1 if n > 5 then break end end repeat local z = n n = n - 1 until z < 3 print(n)
print(1 and 2, nil and 1, false or "x", nil or false, 1 and nil or 3, not (1 == 2), 1 < 2 and "yes" or "no")
local x = {y = {z = {}}} x.y.z.w = 5 x["k"] = x.y.z.w print(x.k, #x, x.y.z.w)
local function f(a, b) a, b = b, a return a, b end print(f(1, 2)) local p, q = 1 print(p, q)
local i, tt = 1, {} i, tt[i] = i + 1, 20 print(i, tt[1], tt[2])
do local a = 1 local function g() return a end a = 2 print(g()) end
print(table.concat({1, 2, "x"}, ", "), table.concat({}, "x"), table.concat({1,2,3}, "-", 2, 3))
local l = {} table.insert(l, 1) table.insert(l, 1, 0) table.insert(l, 3) print(table.concat(l, ","), table.remove(l), table.remove(l, 1), #l, table.remove({}))
local srt = {5, 2, 8, 1, 9, 3, 7, 7, 4, 6, 0, 11, 15, 12, 14, 13} table.sort(srt) print(table.concat(srt, " ")) table.sort(srt, function(a, b) return a > b end) print(table.concat(srt, " "))
print(loadstring("return 1 + 1")(), loadstring("x ="), pcall(loadstring, nil)) print(tostring(nil), tostring(true), tonumber("abc"), tonumber(nil))

local t = nil print(t.x)

print(undefinedvar.x)

local t = {} t.x.y = 1

local t = {} t.x.y.z = 1

undefinedfn()

local t = {} t.nope()

local t = {} t:nope()

local s = "x" + 1

local t = {} print(t + 1)

local a, b = 1, {} print(a + b)

print({} .. "x")

print(1 < "2")

print({} < {})

print(nil > 1)

print(#5)

print(-{})

local t = {} t[nil] = 1

local t = {} t[0/0] = 1

for i = "a", 2 do end

for i = 1, {} do end

error("msg")

error("msg", 2)

error(setmetatable({}, {__tostring = function() return "object" end}))

error()

local function f() error("in f", 2) end
f()

assert(false)

assert(nil, "custom")

assert(1 == 1, "no") print(assert(1, 2, 3))

local function r() return r() + 1 end print(pcall(r))

print(setmetatable(1, {}))

print(pcall(setmetatable, {}))

x = = 1

for i = 1 do end

local function end

print("unfinished

return 1 2

goto x

local x = {1, 2

f(

break

a.b:c = 1

x = }

x = 'a\300b'

print(ipairs())

print(unpack({}, 1, 1e8))

print(math.random(0))

print(tonumber("10", 99))

print(pcall(next, {}, "nokey"))

local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) local d, e = coroutine.yield(c * 2) return d + e end)
print(coroutine.resume(co, 1, 2)) print(coroutine.resume(co, 10)) print(coroutine.resume(co, 3, 4)) print(coroutine.resume(co), coroutine.status(co))
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) print(gen(), gen(), gen())
print(coroutine.resume(coroutine.create(function() error("oops") end))) print(coroutine.resume(coroutine.create(function() error({}) end)) == false)
print(coroutine.resume(coroutine.create(function() return pcall(coroutine.yield, 1) end)))
for v in coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end) do print(v) end print(coroutine.running())

coroutine.yield(1)

print(xpcall(function() error("e") end, function(m) return "handled " .. m end)) print(xpcall(function() return 1, 2 end, print))

local t = setmetatable({}, {__index = {a = 1}}) print(t.a, t.b, rawget(t, "a")) local t2 = setmetatable({}, {__metatable = "locked"}) print(getmetatable(t2), pcall(setmetatable, t2, {}))

local t = {} for i = 1, 100 do t[i] = i end for i = 1, 50 do t[i] = nil end local n = 0 for k, v in pairs(t) do n = n + v end print(n, #t)
local u = {} u[3] = 3 u[2] = 2 u[1] = 1 print(#u) u[#u + 1] = 4 print(#u, table.maxn({1, 2, [10] = 3})) local big = {} for i = 1, 300 do big[i] = i .. "" end print(#big, big[300], table.concat(big):len())
print(#{1, 2, nil, 4}, #{nil, nil, 3}, #{n = 1}, #{(function() return 1, 2, 3 end)()}, #{(function() return 1, 2, 3 end)(), 10})
local env = setmetatable({}, {__index = _G}) local fn = setfenv(function() y = 5 return y end, env) print(fn(), env.y, y, getfenv(fn) == env)
print(string.format("%5s|%-5s|", 1, 2), ("x"):rep(0), ("ab"):rep(2), #("x"):rep(1000), 2^10, 10 % 3.5, -2^2, not 1 == 2)
print((("a"):rep(3)):gsub("a", "%%"), tostring(1e15), 1e15 .. "", 100000000000000 .. "", 2^24 .. "")
local a <const> = 1
