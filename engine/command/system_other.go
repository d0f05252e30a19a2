//go:build !linux

package command

func processMemory() int64 { return 0 }

func systemMemory() int64 { return 0 }
