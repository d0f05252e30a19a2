//go:build !race

package engine_test

// raceDetector tells whether the race detector is built in.
const raceDetector = false
