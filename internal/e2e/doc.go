// Package e2e tests Elastane as its users see it: the built binary as a process of its own, the real AWS
// CLI and SDK in front of it, and real cache clients behind it.
package e2e
