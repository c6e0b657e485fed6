package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// What is left out here, and why: nothing.
const (
	noHandOver  = ""
	noTerminate = ""
	noProc      = ""
)

// adopt makes this process the parent of those whose parent has ended: a successor's exit code is told to nobody else.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// handOver has a successor take over, and waits for that and for the end of the old one.
func (s *server) handOver() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	old := s.process
	if err := old.Signal(syscall.SIGUSR2); err != nil {
		return err
	}
	pid := old.Pid
	err := until(ctx, func() bool {
		status, err := s.ask(ctx)
		if err == nil {
			pid = status.PID
		}
		return pid != old.Pid
	})
	if err != nil {
		return fmt.Errorf("no successor has taken over from process %d: %w", old.Pid, err)
	}
	if err := s.wait(old); err != nil {
		return err
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	s.serves(p)
	return nil
}

// usage returns what the kernel says of a process: the memory that it has, in bytes, and its open descriptors.
func usage(pid int) (rss, descriptors int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, 0, err
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, 0, fmt.Errorf("/proc/%d/statm: %w", pid, err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return pages * os.Getpagesize(), len(open), err
}
