//go:build !linux

package main

import "os/exec"

// dieWithParent does nothing: this system has no such promise. Only killing this program outright leaves a
// server behind.
func dieWithParent(*exec.Cmd) {}
