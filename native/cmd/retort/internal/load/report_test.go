package load_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// The names in the JSON form are for programs to rely on.
func TestReportJSON(t *testing.T) {
	addr := serve(t, "127.0.0.1:0", reply.Length{})
	r := run(t, load.Options{Target: addr, Count: 100, Timeout: patience, Duration: time.Minute})
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text.Bytes(), []byte("\n")); n != 1 || !bytes.HasSuffix(text.Bytes(), []byte("\n")) {
		t.Errorf("%d lines", n)
	}
	var fields map[string]any
	if err := json.Unmarshal(text.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"target": addr.String(), "loop": "closed", "gso": false, "threads": 1.0, "sockets": 8.0, "window": 128.0,
		"size": 32.0, "expect": "length", "interrupted": false, "sent": 100.0, "answered": 100.0, "wrong": 0.0,
		"lost": 0.0, "late": 0.0, "extra": 0.0, "foreign": 0.0, "unsent": 0.0, "errors": 0.0,
	}
	for name, value := range want {
		if fields[name] != value {
			t.Errorf("%s is %v, want %v", name, fields[name], value)
		}
	}
	latency, _ := fields["latency_ns"].(map[string]any)
	for _, name := range []string{"min", "mean", "p50", "p90", "p99", "p999", "max"} {
		if ns, ok := latency[name].(float64); !ok || ns <= 0 {
			t.Errorf("latency_ns.%s is %v", name, latency[name])
		}
	}
	for name := range fields {
		others := []string{"latency_ns", "elapsed_ns", "rate", "idle", "transport"}
		if _, ok := want[name]; !ok && !slices.Contains(others, name) {
			t.Errorf("%s is there, and not in this test", name)
		}
	}
	var back load.Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || back != *r {
		t.Errorf("read back: %+v, %v, want %+v", back, err, *r)
	}
}

func TestReportText(t *testing.T) {
	r := load.Report{
		Target: "127.0.0.1:1060", Loop: "open", Offered: 1000, Sockets: 64, Size: 32, Elapsed: 1234567 * time.Microsecond,
		Rate: 998.6, Idle: 0.5, Interrupted: true, Unsent: 3, Errors: 2, Problem: "sendmmsg: connection refused",
		Counts: load.Counts{Sent: 10, Answered: 7, Wrong: 1, Lost: 2, Late: 1, Extra: 4, Foreign: 5},
		Latency: load.Latency{
			P50: 12345, P90: 999, P99: 1000, P999: 3 * time.Millisecond, Max: 12345678 * time.Microsecond,
		},
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	const want = `asked      127.0.0.1:1060, 1000 requests a second on 64 sockets, 32 bytes each
replies    999 a second in 1.235s, interrupted
latency    p50 12.3µs, p90 999ns, p99 1µs, p99.9 3ms, max 12.3s
requests   10 sent, 7 answered, 1 wrong, 2 lost
besides    1 late, 4 extra, 5 foreign
unsent     3 requests were due and could not be sent: the rate is too high for 64 sockets or this machine
errors     2, the last: sendmmsg: connection refused
generator  idle for 50% of the time
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", &text, want)
	}
}
