package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// made makes a result with one round for each rate.
func made(w workload, s server, cpu time.Duration, lost uint64, rates ...float64) result {
	r := result{workload: w, server: s}
	for _, rate := range rates {
		r.rounds = append(r.rounds, measurement{
			Report: &load.Report{
				Rate: rate, Counts: load.Counts{Sent: 10_000, Lost: lost},
				Latency: load.Latency{P50: time.Duration(1e9 / rate), P99: time.Duration(2e9 / rate)},
			},
			CPU: cpu,
		})
	}
	return r
}

// A ratio is that of two servers in one round: here every round is ten times as fast as the one before, and
// the ratios are the same all the same.
func TestTable(t *testing.T) {
	many := workload{name: "many", title: "Many"}
	one := workload{name: "one", title: "One", latency: true}
	own, c, python := server{name: "Retort"}, server{name: "C", is: batches}, server{name: "Python", is: scripting}
	results := []result{
		made(many, own, 1500, 0, 1000, 11_000, 110_000, 1_100_000, 11_000_000, 110_000_000),
		made(many, c, 2000, 1, 2000, 20_000, 200_000, 2_000_000, 20_000_000, 200_000_000),
		made(many, python, 0, 20_000, 500, 5_000, 50_000, 500_000, 5_000_000, 50_000_000),
		made(one, own, 1500, 0, 100_000),
		made(one, c, 2000, 0, 200_000),
		made(one, python, 0, 0, 50_000),
	}
	var text strings.Builder
	o := options{rounds: 6, duration: time.Second, warmup: time.Millisecond}
	if err := writeTable(&text, "A machine", o, results); err != nil {
		t.Fatal(err)
	}
	got := text.String()
	const want = `| server | replies/s, or p50 and p99 | × C recvmmsg | × Python | CPU | busy | lost |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| *Many* | | | | | | |
| Retort | 605,000 | 0.55 [0.50, 0.55] | 2.20 [2.00, 2.20] | 1.50 µs | 91% | 0 |
| C | 1,100,000 | 1 | 4.00 [4.00, 4.00] | 2.00 µs | 220% | 0.01% |
| Python | 275,000 | 0.25 [0.25, 0.25] | 1 | ? | ? | 200.00% |
| *One* | | | | | | |
| Retort | 10.0 µs, 20.0 µs | 0.50 | 2.00 | 1.50 µs | 15% | 0 |
| C | 5.0 µs, 10.0 µs | 1 | 4.00 | 2.00 µs | 40% | 0 |
| Python | 20.0 µs, 40.0 µs | 0.25 | 1 | ? | ? | 0 |
`
	const begins = "A machine.\n\n6 rounds of 1s, after 1ms of warm-up; requests of 32 bytes."
	if !strings.HasPrefix(got, begins) || !strings.HasSuffix(got, "\n\n"+want) {
		t.Errorf("got\n%s\nwant at its end\n%s", got, want)
	}
}

// By processor time it is that which is compared, and not how many replies there were in it.
func TestTableByCPU(t *testing.T) {
	many := workload{name: "many", title: "Many"}
	results := []result{
		made(many, server{name: "Retort"}, 1500, 0, 1000),
		made(many, server{name: "C", is: batches}, 3000, 0, 1000),
	}
	var text strings.Builder
	if err := writeTable(&text, "A machine", options{rounds: 1, by: byCPU}, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| Retort | 1,000 | 2.00 | 1.50 µs |", "times as many replies as another server gives in the same processor time"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &text)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		share float64
		want  string
	}{{0, "0"}, {0.00001, "<0.01%"}, {0.0001, "0.01%"}, {0.5, "50.00%"}} {
		if got := percent(tt.share); got != tt.want {
			t.Errorf("%v is %s, want %s", tt.share, got, tt.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{{0, "0"}, {999.4, "999"}, {1000, "1,000"}, {123456, "123,456"}, {1234567, "1,234,567"}} {
		if got := thousands(tt.f); got != tt.want {
			t.Errorf("%v is %s, want %s", tt.f, got, tt.want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raw.json")
	w := workload{name: "many"}
	results := []result{made(w, server{name: "A"}, 7, 0, 10, 20), made(w, server{name: "B"}, 8, 0, 30)}
	if err := writeJSON(path, results); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type line struct {
		Workload, Server string
		Round            int
		Rate             float64
		CPU              int `json:"cpu_ns"`
	}
	var got []line
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	want := []line{{"many", "A", 0, 10, 7}, {"many", "A", 1, 20, 7}, {"many", "B", 0, 30, 8}}
	if len(got) != len(want) {
		t.Fatalf("%d lines: %+v", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}
