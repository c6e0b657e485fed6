package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// compare is the program that measures servers; "go run" it with -help for all of its flags.
const compare = "./native/cmd/retort/internal/compare"

// Bench holds the ways to measure.
type Bench mg.Namespace

// Compare measures Retort beside other servers, in about ten minutes, and prints the ratios. Settings: as in
// -servers='^(Retort|C, recvmmsg)$' -workloads=256 -rounds=21 -duration=200ms -by=cpu -other=build/retort.
func (Bench) Compare(servers, workloads *string, rounds *int, duration *time.Duration, by, other *string) error {
	args := []string{"run", compare}
	args = appendFlag(args, "servers", servers)
	args = appendFlag(args, "workloads", workloads)
	args = appendFlag(args, "rounds", rounds)
	args = appendFlag(args, "duration", duration)
	args = appendFlag(args, "by", by)
	args = appendFlag(args, "other", other)
	return sh.RunV("go", args...)
}

// Operations measures what it costs to operate a server: its metrics scraped each second and its directory of handlers
// watched, and its datagrams captured; in four minutes. It is the processor time of a reply that is compared, where
// the system tells it. Settings: as in -rounds=21 -duration=2s -by=speed.
func (Bench) Operations(rounds *int, duration *time.Duration, by *string) error {
	args := []string{"run", compare, "-set=operations", "-workloads=^256 outstanding$"}
	if duration == nil { // a scrape in each measurement, and more
		args = append(args, "-duration=2s", "-warmup=200ms")
	}
	if by == nil && runtime.GOOS == "linux" {
		args = append(args, "-by=cpu")
	}
	args = appendFlag(args, "rounds", rounds)
	args = appendFlag(args, "duration", duration)
	args = appendFlag(args, "by", by)
	return sh.RunV("go", args...)
}

// Instructions counts the instructions that each server executes outside the kernel for a reply; that needs
// valgrind. Settings: as in -servers='^Retort'.
func (Bench) Instructions(servers *string) error {
	return sh.RunV("go", appendFlag([]string{"run", compare, "-by", "instructions"}, "servers", servers)...)
}

// Profile loads the command for a minute and keeps the profile by which the compiler inlines in it from then on. See
// https://go.dev/doc/pgo.
func (Bench) Profile() error {
	dir, err := os.MkdirTemp("", "retort-profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return sh.RunV("go", "test", withoutProfile, "-trimpath", "-run", "^$", "-bench", "^BenchmarkLoad$", "-benchtime", "10s",
		"-o", filepath.Join(dir, "test"), "-cpuprofile", filepath.Join("native", "cmd", "retort", "default.pgo"),
		"./native/cmd/retort")
}

// Micro runs the benchmarks of every layer. Settings: as in -packages=./core/guard -run=Datagram.
func (Bench) Micro(packages, run *string) error {
	pattern, where := ".", "./..."
	if run != nil {
		pattern = *run
	}
	if packages != nil {
		where = *packages
	}
	return sh.RunV("go", "test", "-run", "^$", "-bench", pattern, "-benchmem", where)
}

// appendFlag appends a flag with its value, if it has one.
func appendFlag[T any](args []string, name string, value *T) []string {
	if value == nil {
		return args
	}
	return append(args, fmt.Sprintf("-%s=%v", name, *value))
}
