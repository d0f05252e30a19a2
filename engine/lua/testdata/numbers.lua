print(0.1+0.2, 1e15, 2^53, 1/0, -1/0, 1e14, 1e100, 123456789012345, 0.1, -0.0, 1e-5, 3.14159265358979)
print(tonumber("1e2"), tonumber("0x10"), tonumber("  12  "), tonumber("1 2"), tonumber(""), tonumber("z",36), tonumber("8",8), tonumber("ff",16), tonumber("-7", 8))
print(math.huge == 1/0, 5 % 3, -5 % 3, 5 % -3, 2^0.5, 7/2, "10"+5, "0x10"*1, 10 .. 20)
print(math.floor(-3.5), math.ceil(-3.5), math.max(1,5,3), math.min(4,2), math.fmod(-5,3), math.modf(3.7), math.abs(-2))

print(string.format("%d %5d|%-5d|%05d %x %X %o %c %s %q %5.2f %g %e %i %u", 3.7, 42, 42, 42, 255, 255, 8, 65, "hi", 'a"b\n\\', 3.14159, 1e20, 12345.678, 7, 9))

print(string.format("%10s|%-10s|%.2s", "abc", "abc", "abc"), string.format("%+d % d %#x %%", 5, 5, 255))

print(string.format("%s", nil))

print(string.format("%d", "x"))

print(pcall(string.format, "%y", 1))

print(tostring(0/0) == tostring(0/0), 1e308*10, 2^63, 2^31, 1e16, 12345678901234567890)
