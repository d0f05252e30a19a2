package command

// Families lists the families of this package, for NewTable. One line per file.
func Families() []Spec {
	var all []Spec
	for _, family := range [][]Spec{
		connectionSpecs,
		clientSpecs,
		aclSpecs,
		introspectSpecs,
		serverSpecs,
		persistenceSpecs,
		transactionSpecs,
		pubsubSpecs,
		stringSpecs,
		bitmapSpecs,
		hyperLogLogSpecs,
		lcsSpecs,
		geoSpecs,
		sortSpecs,
		keySpecs,
		hashSpecs,
		listSpecs,
		setSpecs,
		sortedSetSpecs,
		sortedSetRangeSpecs,
		sortedSetCombineSpecs,
		streamSpecs,
		streamReadSpecs,
		streamGroupSpecs,
		streamInfoSpecs,
	} {
		all = append(all, family...)
	}
	return all
}
