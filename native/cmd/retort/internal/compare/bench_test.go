package main

import (
	"maps"
	"slices"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for _, tt := range []struct {
		list string
		want []int
	}{
		{"0\n", []int{0}},
		{"0-3", []int{0, 1, 2, 3}},
		{"0,2-3,8\n", []int{0, 2, 3, 8}},
		{"", nil},
		{"nonsense,1-x,5", []int{5}},
	} {
		if got := parseCPUs(tt.list); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, want %v", tt.list, got, tt.want)
		}
	}
}

// Servers and client get cores of their own where there are two.
func TestOtherCore(t *testing.T) {
	for _, tt := range []struct {
		cpus, siblings []int
		want           int
	}{
		{[]int{0, 1}, nil, 1},
		{[]int{0, 1}, []int{0, 1}, 1},
		{[]int{0, 1, 2, 3}, []int{0, 1}, 2},
		{[]int{0, 1, 2, 3}, []int{0, 2}, 1},
	} {
		if got := otherCore(tt.cpus, tt.siblings); got != tt.want {
			t.Errorf("of %v, where %v are one core: %d, want %d", tt.cpus, tt.siblings, got, tt.want)
		}
	}
}

func TestParseListening(t *testing.T) {
	addr, err := parseListening("Listening at ('127.0.0.1', 40123)\n")
	if err != nil || addr.String() != "127.0.0.1:40123" {
		t.Errorf("%v, %v", addr, err)
	}
	for _, line := range []string{
		"", "Listening at ('127.0.0.1', 99999)", "Listening at 127.0.0.1:1", "x Listening at ('127.0.0.1', 1)",
	} {
		if addr, err := parseListening(line); err == nil {
			t.Errorf("%q was taken for %v", line, addr)
		}
	}
}

func TestParseHelp(t *testing.T) {
	got := parseHelp(`Server answers.

Flags:
  -p, --port PORT        UDP port; the last one given wins (default 1060)
      --gso on|off       with --quiet it is faster
  -q, --quiet            do not print --gso lines
      --busy-poll
`)
	want := map[string]bool{"--port": true, "--gso": true, "--quiet": true, "--busy-poll": true}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
