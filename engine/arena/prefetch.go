package arena

// Prefetch asks the processor to load the cache line at the start of a block, without waiting for it. A Ref
// that is stale or was never valid does no harm: a prefetch does not fault.
func Prefetch(r Ref) { prefetch(at(r)) }
