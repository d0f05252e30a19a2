package keyspace

import "bytes"

// Slots is the number of cluster slots.
const Slots = 16384

// Slot returns the cluster slot of a key: CRC16 (XMODEM) of the part between the first { and the next }, if that
// part is not empty, else of the whole key, modulo 16384 (Valkey cluster specification).
func Slot(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	return crc16(key) % Slots
}

// crcTables[n][b] is the CRC of byte b followed by n zero bytes, so that eight bytes take eight
// look-ups that do not wait for each other.
var crcTables = func() (t [8][256]uint16) {
	for b := range t[0] {
		crc := uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[0][b] = crc
	}
	for n := 1; n < 8; n++ {
		for b := range t[n] {
			last := t[n-1][b]
			t[n][b] = last<<8 ^ t[0][last>>8]
		}
	}
	return t
}()

func crc16(b []byte) (crc uint16) {
	t := &crcTables
	for ; len(b) >= 8; b = b[8:] {
		crc = t[7][b[0]^byte(crc>>8)] ^ t[6][b[1]^byte(crc)] ^ t[5][b[2]] ^ t[4][b[3]] ^
			t[3][b[4]] ^ t[2][b[5]] ^ t[1][b[6]] ^ t[0][b[7]]
	}
	for _, c := range b {
		crc = crc<<8 ^ t[0][byte(crc>>8)^c]
	}
	return crc
}
