print(("THE (quick) fox"):find("%((%a+)%)"), ("hello world"):match("^(%w+)"), ("abc"):sub(-2), ("x"):rep(3), ("abc"):byte(1,-1))
print(("THE (quick) fox"):gsub("%f[%a]%a+", "<%0>"))
print(string.gsub("hello world", "o", {o="0"}), string.gsub("abc", "%w", function(c) return c:upper() .. "." end), string.gsub("abc", "", "-"))
for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do print(k, v) end
print(("  trim  "):match("^%s*(.-)%s*$") .. "|", ("[[x]]"):find("[]]"), ("a-b"):gsub("%-", "+"), ("x^y"):find("^", 1, true))
print(("f(a(b)c)d"):match("%b()"), ("abcabc"):match("(a)(b)(c)%1"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("pos"):find("()o()"))
print(#"abc", "a" < "b", "a" .. 1 .. 2.5, ("%d"):format(3), ("abc"):upper():lower():len(), ("abc"):reverse())

print(pcall(string.rep))

print(pcall(function() return ("x"):rep({}) end))

print(pcall(function() return string.rep({}) end))

print(("x"):bad())

print(string.find("abc", "[a"))

print(string.find("abc", "%"))

print(string.gsub("abc", "(", "x"))

print(string.char(72, 105), ("a,b,,c"):find(",", 3), ("abc"):find("b", -1), ("abc"):find("", 10), ("\0a\0"):len())
