package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
)

// bench runs "retort bench" with args.
func bench(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, diagnostics bytes.Buffer
	root := newRoot()
	root.SetArgs(append([]string{"bench"}, args...))
	root.SetOut(&out)
	root.SetErr(&diagnostics)
	cmd, err := root.ExecuteContextC(ctx)
	code = report(&diagnostics, cmd, err)
	return code, out.String(), diagnostics.String()
}

// serveOn answers on loopback with h until the test ends, and returns the port.
func serveOn(t *testing.T, h core.Handler) string {
	t.Helper()
	conns, err := native.Listen("127.0.0.1:0", native.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&server.Server{Handler: h}).Serve(ctx, conns...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, c := range conns {
			c.Close()
		}
	})
	return strconv.Itoa(int(conns[0].LocalAddr().Port()))
}

func TestBench(t *testing.T) {
	length, echo := serveOn(t, reply.Length{}), serveOn(t, reply.Echo{})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-p", length, "--count", "500", "--timeout", "1m"}, `500 sent, 500 answered, 0 wrong, 0 lost`},
		{[]string{"127.0.0.1:" + length, "--window", "1", "--count", "50", "--timeout", "1m"},
			`, 1 outstanding on 1 sockets, 32 bytes each\n`},
		{[]string{"-p", length, "--size", "0", "--count", "50"}, `, 0 bytes each\n`},
		{[]string{"-p", echo, "--expect", "echo", "--size", "1KiB", "--rate", "1000", "--duration", "50ms"},
			`1000 requests a second on 8 sockets, 1024 bytes each\n`},
	} {
		code, stdout, stderr := bench(t.Context(), append(tt.args, "--quiet")...)
		if code != exitDone || stderr != "" || !regexp.MustCompile(tt.want).MatchString(stdout) {
			t.Errorf("%q: exit %d\n%s%s", tt.args, code, stdout, stderr)
		}
	}
}

func TestBenchJSON(t *testing.T) {
	port := serveOn(t, reply.Length{})
	code, stdout, stderr := bench(t.Context(), "-p", port, "--count", "100", "--timeout", "1m", "--json")
	var figures struct{ Sent, Answered int }
	err := json.Unmarshal([]byte(stdout), &figures)
	if code != exitDone || err != nil || figures.Sent != 100 || figures.Answered != 100 {
		t.Errorf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
}

// Told to end it shows what it has, and that is no failure.
func TestBenchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int64 // by several workers
	port := serveOn(t, core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if asked.Add(1) == 1000 {
			cancel()
		}
		return reply.Length{}.Reply(dst, d)
	}))
	code, stdout, stderr := bench(ctx, "-p", port, "--duration", "1h", "--quiet")
	if code != exitDone || !strings.Contains(stdout, ", interrupted\n") || stderr != "" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// A server that answers wrongly now and then is told from one that is only slow.
func TestBenchWrong(t *testing.T) {
	var asked atomic.Int64
	port := serveOn(t, core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if asked.Add(1) == 10 {
			return append(dst, "something else"...), nil
		}
		return reply.Length{}.Reply(dst, d)
	}))
	code, stdout, stderr := bench(t.Context(), "-p", port, "--count", "100", "--timeout", "1m")
	if code != exitFailure || !strings.Contains(stdout, "1 wrong") || !strings.Contains(stderr, "1 of 100 replies were wrong") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = bench(t.Context(), "-p", port, "--expect", "echo")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, `replied "Your data was 32 bytes long"`) {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestBenchUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--window", "0"}, exitUsage, "nothing to send"},
		{[]string{"--sockets", "0"}, exitUsage, "nothing to send"},
		{[]string{"--rate", "0"}, exitUsage, "nothing to send"},
		{[]string{"--duration", "0s"}, exitUsage, "nothing to send"},
		{[]string{"--timeout", "0s"}, exitUsage, "no time for a reply"},
		{[]string{"--rate", "5", "--window", "5"}, exitUsage, "--rate and --window exclude each other"},
		{[]string{"--sockets", "9", "--window", "8"}, exitUsage, "it must hold one for each"},
		{[]string{"--size", "65508"}, exitUsage, "out of range 0 to 65507"},
		{[]string{"--duration", "2h"}, exitUsage, "out of range"},
		{[]string{"--expect", "nothing"}, exitUsage, "it is length or echo or any"},
		{[]string{"--gso", "--size", "0"}, exitUsage, "gso needs a size"},
		{[]string{"127.0.0.1", "127.0.0.2"}, exitUsage, "at most 1 arg"},
		{[]string{"-p", "0"}, exitFailure, "port 0"},
		{[]string{"a:b:c"}, exitUsage, "is no address"},
	} {
		code, stdout, stderr := bench(t.Context(), tt.args...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.want, stdout, stderr)
		}
	}
}

// A host stands for the same server as for the client: a wildcard is this machine.
func TestBenchResolves(t *testing.T) {
	for _, addr := range []string{":7", "0.0.0.0:7", "localhost:7", "127.0.0.1:7"} {
		if got, err := resolve(t.Context(), addr); err != nil || got != netip.MustParseAddrPort("127.0.0.1:7") {
			t.Errorf("%s: %v, %v", addr, got, err)
		}
	}
	if c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback}); err == nil {
		c.Close()
		if got, err := resolve(t.Context(), "[::1]:7"); err != nil || got != netip.MustParseAddrPort("[::1]:7") {
			t.Errorf("[::1]:7: %v, %v", got, err)
		}
	}
}
