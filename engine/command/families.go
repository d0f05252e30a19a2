package command

// Families lists the families of this package, for NewTable. One line per file.
func Families() []Spec {
	var all []Spec
	for _, family := range [][]Spec{
		connectionSpecs,
		clientSpecs,
		introspectSpecs,
		serverSpecs,
		persistenceSpecs,
		transactionSpecs,
		scriptingSpecs,
		pubsubSpecs,
		stringSpecs,
		keySpecs,
		hashSpecs,
		listSpecs,
		setSpecs,
		sortedSetSpecs,
		sortedSetRangeSpecs,
		sortedSetCombineSpecs,
	} {
		all = append(all, family...)
	}
	return all
}
