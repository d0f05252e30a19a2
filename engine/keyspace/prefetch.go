package keyspace

// PrefetchBucket asks the processor to load the bucket of a key, without waiting, and returns a token for
// PrefetchEntry. A loop calls it for all keys of a parsed batch, then PrefetchEntry for all, then executes. It needs
// no lock and changes nothing; key is not kept.
func (s *Space) PrefetchBucket(db int, key []byte) (token uint64) { panic("keyspace: not built yet") }

// PrefetchEntry asks the processor to load the entry of a key whose bucket has arrived.
func (s *Space) PrefetchEntry(db int, key []byte, token uint64) { panic("keyspace: not built yet") }
