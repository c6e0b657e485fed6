//go:build !linux

package main

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// What is left out here, and why.
const (
	noHandOver = "hand-overs: only Linux lets a program that is not the parent know how a successor ends"
	noProc     = "memory and descriptors: only Linux tells them below /proc"
)

// noTerminate is "" where a process can be told to end.
var noTerminate = map[string]string{"windows": "the end on SIGTERM: Windows has no such signal"}[runtime.GOOS]

func adopt() error { return nil }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

func (s *server) handOver() error { return errors.ErrUnsupported }

func usage(int) (rss, descriptors int, err error) { return 0, 0, nil }
