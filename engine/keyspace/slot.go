package keyspace

// Slots is the number of cluster slots.
const Slots = 16384

// Slot returns the cluster slot of a key: CRC16 (XMODEM) of the part between the first { and the next }, if that
// part is not empty, else of the whole key, modulo 16384 (Valkey cluster specification).
func Slot(key []byte) uint16 { panic("keyspace: not built yet") }
