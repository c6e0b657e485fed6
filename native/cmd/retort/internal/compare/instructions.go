package main

// How many instructions a server executes for a reply.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// A server is run under valgrind twice, once for each of these numbers of requests. What it executes to start and
// to end is the same, and drops out of the difference.
const (
	fewRequests  = 10_000
	manyRequests = 50_000
)

// instructionsTimeout is when a request counts as lost: valgrind makes a server twenty times as slow.
const instructionsTimeout = 10 * time.Second

// countInstructions prints how many instructions each server executes outside the kernel for a reply, while it has
// many requests to answer. These hardly depend on the machine's mood; the kernel's, which are most of all, are
// not among them.
func (b *bench) countInstructions(ctx context.Context, stdout io.Writer, servers []server) error {
	valgrind, err := find("valgrind")
	if err != nil {
		return fmt.Errorf("counting instructions %w", err)
	}
	var text bytes.Buffer
	text.WriteString("| server | instructions a reply |\n| --- | ---: |\n")
	for _, s := range servers {
		// Answering without valgrind first also compiles a guest, which valgrind does not let happen.
		if err := b.check(ctx, s); err != nil {
			return err
		}
		count, err := b.instructions(ctx, valgrind, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // valgrind does not know every instruction
			reason, _, _ := strings.Cut(err.Error(), "\n")
			b.logf("skipped: %s", reason)
			continue
		}
		b.logf("%s: %.0f instructions a reply", s.name, count)
		fmt.Fprintf(&text, "| %s | %s |\n", s.name, thousands(count))
	}
	_, err = stdout.Write(text.Bytes())
	return err
}

// instructions counts those of one reply.
func (b *bench) instructions(ctx context.Context, valgrind string, s server) (float64, error) {
	s.command = append([]string{valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=" + os.DevNull},
		s.command...)
	few, err := b.execute(ctx, s, fewRequests)
	if err != nil {
		return 0, err
	}
	many, err := b.execute(ctx, s, manyRequests)
	if err != nil {
		return 0, err
	}
	return float64(many-few) / (manyRequests - fewRequests), nil
}

// execute has a server, which runs under valgrind, answer so many requests, and returns how many instructions it
// executed in its life.
func (b *bench) execute(ctx context.Context, s server, requests uint64) (int64, error) {
	p, err := b.start(ctx, s)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	r, err := load.Run(ctx, load.Options{
		Target:   p.addr,
		Window:   256, // fits into every buffer, and leaves no server waiting, who might do so busily
		Sockets:  8,
		Size:     requestSize,
		Count:    requests,
		Duration: load.MaxDuration,
		Timeout:  instructionsTimeout,
	})
	if err != nil {
		return 0, err
	}
	if r.Answered != requests {
		return 0, fmt.Errorf("%s answered %d of %d requests", s.name, r.Answered, requests)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	_ = p.cmd.Wait() // a signal ends most servers, and that is a failure
	count, err := parseInstructions(p.stderr.String())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.name, err)
	}
	return count, nil
}

// executed is a line of valgrind's: ==123== I   refs:      1,973,065
var executed = regexp.MustCompile(`==\d+== I\s+refs:\s+([0-9,]+)`)

func parseInstructions(text string) (int64, error) {
	found := executed.FindStringSubmatch(text)
	if found == nil {
		return 0, errors.New("valgrind does not say how many instructions there were")
	}
	return strconv.ParseInt(strings.ReplaceAll(found[1], ",", ""), 10, 64)
}
