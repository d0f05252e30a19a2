package main

import (
	"math/rand/v2"
	"strconv"
)

// The sizes of the data sets.
const (
	manyKeys    = 1_000_000
	hotKeys     = 1_000
	collections = 1_000
	elements    = 100     // of each hash, list and set
	members     = 100_000 // of the sorted set
)

var value64 = []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

// row is one line of the report: a load, and what the project wants to reach with it, as ratios to the peer (0: no
// target).
type row struct {
	name     string
	pipeline int
	data     dataset
	prepare  dataset // run again before each measurement; what it makes is used up
	most     int     // commands of one measurement; 0: as many as the time allows
	next     generator

	cpu, rate, p99 float64
	needs          string // a command without which there is nothing to measure
}

// generator appends one random request.
type generator func(dst []byte, r *rand.Rand) []byte

// dataset is what is in the server while rows are measured: step i of count.
type dataset struct {
	name  string
	count int
	step  func(dst []byte, i int) []byte
}

func command(dst []byte, words ...string) []byte {
	dst = head(dst, len(words))
	for _, w := range words {
		dst = word(dst, w)
	}
	return dst
}

func head(dst []byte, words int) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(words), 10)
	return append(dst, '\r', '\n')
}

func word[T string | []byte](dst []byte, w T) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(w)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, w...)
	return append(dst, '\r', '\n')
}

// name appends a word of 16 bytes: a prefix of four and a number.
func name(dst []byte, prefix string, i int) []byte {
	dst = append(dst, "$16\r\n"...)
	dst = append(dst, prefix...)
	var digits [12]byte
	for at := len(digits) - 1; at >= 0; at-- {
		digits[at] = byte('0' + i%10)
		i /= 10
	}
	dst = append(dst, digits[:]...)
	return append(dst, '\r', '\n')
}

func stringsOf(count, size int) dataset {
	value := make([]byte, size)
	for i := range value {
		value[i] = byte('a' + i%26)
	}
	return dataset{"strings", count, func(dst []byte, i int) []byte {
		return word(name(command3(dst, "SET"), "key:", i), value)
	}}
}

// command3 appends the start of a command of three words.
func command3(dst []byte, verb string) []byte { return word(head(dst, 3), verb) }

// collection fills count keys with elements each, one after the other, by a command of the key and one element.
func collection(verb, prefix string, count, elements int) dataset {
	return dataset{verb, count * elements, func(dst []byte, i int) []byte {
		return name(name(command3(dst, verb), prefix, i/elements), "elem", i%elements)
	}}
}

func hashesOf(count, fields int) dataset {
	return dataset{"hashes", count * fields, func(dst []byte, i int) []byte {
		return word(field(name(word(head(dst, 4), "HSET"), "hash", i/fields), i%fields), value64[:16])
	}}
}

// field appends a word of eight bytes, for numbers below 100.
func field(dst []byte, i int) []byte {
	return append(dst, '$', '8', '\r', '\n', 'f', 'i', 'e', 'l', 'd', ':', byte('0'+i/10), byte('0'+i%10), '\r', '\n')
}

func sortedSetOf(key string, members int) dataset {
	return dataset{"sorted set", members, func(dst []byte, i int) []byte {
		return zadd(dst, key, scatter(i), i)
	}}
}

// scatter gives each number below 2³² another one, as if at random.
func scatter(i int) int { return int(uint32(i) * 2654435761) }

func zadd(dst []byte, key string, score, member int) []byte {
	dst = word(word(head(dst, 4), "ZADD"), key)
	var digits [20]byte
	dst = word(dst, strconv.AppendInt(digits[:0], int64(score), 10))
	return name(dst, "elem", member)
}

func streamOf(entries int) dataset {
	return dataset{"stream", entries, func(dst []byte, i int) []byte { return xadd(dst, i%collections) }}
}

func xadd(dst []byte, key int) []byte {
	dst = word(name(word(head(dst, 5), "XADD"), "strm", key), "*")
	return word(word(dst, "field"), value64[:16])
}

func onKey(verb string, keys int) generator {
	return func(dst []byte, r *rand.Rand) []byte {
		return name(word(head(dst, 2), verb), "key:", r.IntN(keys))
	}
}

func set(keys int) generator {
	return func(dst []byte, r *rand.Rand) []byte {
		return word(name(command3(dst, "SET"), "key:", r.IntN(keys)), value64)
	}
}

func incr(keys int) generator {
	return func(dst []byte, r *rand.Rand) []byte {
		return name(word(head(dst, 2), "INCR"), "num:", r.IntN(keys))
	}
}

func numbersOf(count int) dataset {
	return dataset{"numbers", count, func(dst []byte, i int) []byte {
		return word(name(command3(dst, "SET"), "num:", i), "1000000")
	}}
}

const script = `local n = redis.call('INCR', KEYS[1])
if n > 1000000000 then
  redis.call('SET', KEYS[1], '0')
end
return redis.call('GET', KEYS[1])`

// rows lists what is measured, grouped by data set so that each is filled once.
func rows() []row {
	var all []row
	targets := map[int][2]row{ // by pipeline: 1 M keys, hot keys
		1:  {{cpu: 0.95, rate: 1.0, p99: 1.1}, {cpu: 0.95}},
		16: {{cpu: 0.55, rate: 1.5, p99: 0.7}, {cpu: 0.90}},
		64: {{cpu: 0.40, rate: 2.0}, {cpu: 0.80}},
	}
	for i, keys := range []int{manyKeys, hotKeys} {
		label := []string{"1 M keys", "1,000 keys"}[i]
		for _, verb := range []string{"GET", "SET", "INCR"} {
			for _, pipeline := range []int{1, 16, 64} {
				row := targets[pipeline][i]
				row.name, row.pipeline, row.data = verb+", "+label, pipeline, stringsOf(keys, 64)
				switch verb {
				case "GET":
					row.next = onKey("GET", keys)
				case "SET":
					row.next = set(keys)
				case "INCR":
					row.next, row.data = incr(keys), numbersOf(keys)
				}
				all = append(all, row)
			}
		}
	}
	family := func(name string, data, prepare dataset, most int, next generator) {
		all = append(all, row{name: name, pipeline: 16, data: data, prepare: prepare, most: most, next: next, cpu: 0.9})
	}
	none := dataset{}
	family("MSET of 10, 1 M keys", stringsOf(manyKeys, 64), none, 0, func(dst []byte, r *rand.Rand) []byte {
		dst = word(head(dst, 21), "MSET")
		for range 10 {
			dst = word(name(dst, "key:", r.IntN(manyKeys)), value64)
		}
		return dst
	})
	hashes := hashesOf(collections, elements)
	family("HSET, 1,000 hashes of 100", hashes, none, 0, func(dst []byte, r *rand.Rand) []byte {
		return word(field(name(word(head(dst, 4), "HSET"), "hash", r.IntN(collections)), r.IntN(elements)), value64[:16])
	})
	family("HGET, 1,000 hashes of 100", hashes, none, 0, func(dst []byte, r *rand.Rand) []byte {
		return field(name(word(head(dst, 3), "HGET"), "hash", r.IntN(collections)), r.IntN(elements))
	})
	lists, sets := collection("RPUSH", "list", collections, elements), collection("SADD", "sets", collections, elements)
	family("LRANGE 0 99, 1,000 lists of 100", lists, none, 0, func(dst []byte, r *rand.Rand) []byte {
		return word(word(name(word(head(dst, 4), "LRANGE"), "list", r.IntN(collections)), "0"), "99")
	})
	const used = 300_000 // commands that add or take away, so that memory stays in bounds
	family("LPUSH, 1,000 lists", dataset{name: "nothing"}, none, used, func(dst []byte, r *rand.Rand) []byte {
		return word(name(command3(dst, "LPUSH"), "list", r.IntN(collections)), value64)
	})
	family("RPOP, 1,000 lists", dataset{name: "nothing"}, collection("RPUSH", "list", collections, 2*used/collections), used,
		func(dst []byte, r *rand.Rand) []byte {
			return name(word(head(dst, 2), "RPOP"), "list", r.IntN(collections))
		})
	family("SADD, 1,000 sets of 100", sets, none, 0, func(dst []byte, r *rand.Rand) []byte {
		return name(name(command3(dst, "SADD"), "sets", r.IntN(collections)), "elem", r.IntN(elements))
	})
	family("SADD, new members of 1,000 sets", dataset{name: "nothing"}, none, used, func(dst []byte, r *rand.Rand) []byte {
		return name(name(command3(dst, "SADD"), "sets", r.IntN(collections)), "elem", r.IntN(manyKeys))
	})
	family("SPOP, 1,000 sets", dataset{name: "nothing"}, collection("SADD", "sets", collections, 2*used/collections), used,
		func(dst []byte, r *rand.Rand) []byte {
			return name(word(head(dst, 2), "SPOP"), "sets", r.IntN(collections))
		})
	zset := sortedSetOf("zset", members)
	family("ZADD, 100,000 members", zset, none, 0, func(dst []byte, r *rand.Rand) []byte {
		return zadd(dst, "zset", int(r.Uint32()), r.IntN(members))
	})
	family("ZRANGE 0 99, 100,000 members", zset, none, 0, func(dst []byte, _ *rand.Rand) []byte {
		return command(dst, "ZRANGE", "zset", "0", "99")
	})
	family("XADD, 1,000 streams", dataset{name: "nothing"}, none, used, func(dst []byte, r *rand.Rand) []byte {
		return xadd(dst, r.IntN(collections))
	})
	all[len(all)-1].needs = "XADD"
	all = append(all, row{
		name: "EVAL of five lines, 1,000 keys", pipeline: 16, data: numbersOf(hotKeys), cpu: 2.0, needs: "EVAL",
		next: func(dst []byte, r *rand.Rand) []byte {
			return name(word(word(word(head(dst, 4), "EVAL"), script), "1"), "num:", r.IntN(hotKeys))
		},
	})
	return all
}
