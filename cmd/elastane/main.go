// Command elastane is the one binary: the control plane, the node agent and the cache engine.
package main

func main() {}
