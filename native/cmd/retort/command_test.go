package main

import (
	"bytes"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"127.0.0.1", "127.0.0.1:1060"},
		{"127.0.0.1:5", "127.0.0.1:5"},
		{"example.org", "example.org:1060"},
		{"example.org:0", "example.org:0"},
		{"::1", "[::1]:1060"},
		{"[::1]", "[::1]:1060"},
		{"[::1]:5", "[::1]:5"},
		{"fe80::1%eth0", "[fe80::1%eth0]:1060"},
		{"[fe80::1%eth0]:5", "[fe80::1%eth0]:5"},
		{"", ":1060"},
		{":5", ":5"},
		{"[::]:5", "[::]:5"},
		{"localhost:1_060", "localhost:1060"},
	} {
		got, err := address(c.arg, flagtype.NewPort(1060))
		if err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.arg, got, err)
		}
	}
	for arg, code := range map[string]int{
		"a:b:c": exitUsage, "host:": exitUsage, "host:port": exitUsage, "[::1": exitUsage, "::1]:5": exitUsage,
		"host:65536": exitFailure, "host:-1": exitFailure,
	} {
		got, err := address(arg, flagtype.NewPort(1060))
		e, usage := errors.AsType[*exitError](err)
		if err == nil || usage != (code == exitUsage) || usage && e.code != exitUsage {
			t.Errorf("%q: %q, %v", arg, got, err)
		}
	}
}

// FuzzAddress: whatever an address is made into can be split again, into a host and a port within bounds.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"127.0.0.1", "[::1]:5", ":5", "a:b:c", "fe80::1%eth0", "[", "]", "[]:", "%:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		addr, err := address(arg, flagtype.NewPort(1060))
		if err != nil {
			return
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatalf("%q: %q: %v", arg, addr, err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > math.MaxUint16 {
			t.Errorf("%q: port %q", arg, port)
		}
		if !strings.Contains(arg, host) {
			t.Errorf("%q: host %q", arg, host)
		}
	})
}

func TestArgument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("of a file"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value string
		limit int
		want  string
		fails string
	}{
		{"itself", 6, "itself", ""},
		{"", 0, "", ""},
		{"itself", 5, "", "more than 5 bytes"},
		{"@" + file, 9, "of a file", ""},
		{"@" + file, 8, "", "file has more than 8 bytes"},
		{"@-", 5, "stdin", ""},
		{"@-", 4, "", "standard input has more than 4 bytes"},
		{"@" + file + "not", 9, "", "filenot"},
		{"@", 9, "", "open : "},
	} {
		got, err := argument(c.value, strings.NewReader("stdin"), c.limit)
		if string(got) != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%q within %d: %q, %v", c.value, c.limit, got, err)
		}
	}
}

// endless is a file without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestArgumentEnds(t *testing.T) {
	if _, err := argument("@-", endless{}, 1000); err == nil {
		t.Error("an endless input has less than 1000 bytes")
	}
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, exitDone, ""},
		{&exitError{exitFailure, errors.New("it failed")}, exitFailure, "retort: it failed\n"},
		{errors.New("what cobra says"), exitUsage, "retort: what cobra says (try: retort --help)\n"},
		{usagef("%w twice", errors.New("no")), exitUsage, "retort: no twice (try: retort --help)\n"},
		{&exitError{exitFailure, errors.Join(errors.New("one"), errors.New("two"))}, exitFailure, "retort: one; two\n"},
		{&exitError{exitFailure, errors.New("a\x1b[31m\tb\r\n\n \u202ec")}, exitFailure, "retort: a\\x1b[31m\\tb; \\u202ec\n"},
	} {
		var stderr bytes.Buffer
		code := report(&stderr, newRoot(), c.err)
		if code != c.code || stderr.String() != c.want {
			t.Errorf("%v: exit code %d, %q", c.err, code, &stderr)
		}
	}
}

func TestBuild(t *testing.T) {
	info := &debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "example.org/other", Version: "v9.9.9"},
			{Path: "github.com/tetratelabs/wazero", Version: "v1.12.0"},
		},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"},
			{Key: "vcs.time", Value: "2026-11-22T13:40:00Z"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	b := newBuild(info)
	if b.Version != "v1.2.3" || b.Commit != "abc" || !b.Modified || b.Time != "2026-11-22T13:40:00Z" || b.Wazero != "v1.12.0" {
		t.Errorf("%+v", b)
	}
	var out bytes.Buffer
	if err := b.print(&out); err != nil {
		t.Fatal(err)
	}
	const want = "retort    v1.2.3\ncommit    abc and uncommitted changes\ntime      2026-11-22T13:40:00Z\n"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("printed\n%s", &out)
	}
	if b := newBuild(new(debug.BuildInfo)); b.Version == "" {
		t.Error("an unknown version is shown as nothing")
	}
}
