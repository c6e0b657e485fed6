//go:build !linux

package main

// tryProcesses does nothing: only on Linux is the first process that is started a trial.
func tryProcesses() {}
