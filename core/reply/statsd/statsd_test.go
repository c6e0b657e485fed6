package statsd_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/statsd"
)

var arrival = time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)

func worker(t testing.TB, h *statsd.Handler) core.Handler {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// send gives a worker a datagram.
func send(t testing.TB, w core.Handler, text string, at time.Time, want error) {
	t.Helper()
	d := &core.Datagram{Data: []byte(text), From: netip.MustParseAddrPort("192.0.2.1:40000"), Time: at}
	if b, err := w.Reply([]byte{}, d); b != nil || !errors.Is(err, want) {
		t.Errorf("%q: %q, %v; want %v", text, b, err, want)
	}
}

func closeWorker(t testing.TB, w core.Handler) {
	t.Helper()
	if err := w.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
}

// lines are the metrics as they are reported.
func lines(s statsd.Stats) string {
	var all []string
	for _, m := range s.Metrics {
		all = append(all, m.String())
	}
	return strings.Join(all, "\n")
}

// The lines are those that the protocol's two descriptions have as examples, and what may be said besides.
func TestMetrics(t *testing.T) {
	for text, want := range map[string]string{
		"gorets:1|c":                             "counter gorets: 1 values, sum 1",
		"gorets:1|c|@0.1":                        "counter gorets: 1 values, sum 10",
		"glork:320|ms|@0.1":                      "timer glork: 1 values, sum 320, from 320 to 320",
		"gaugor:333|g":                           "gauge gaugor: 1 values, last 333",
		"gaugor:10|g\ngaugor:+4|g\ngaugor:-10|g": "gauge gaugor: 3 values, last 4",
		"gaugor:-4|g":                            "gauge gaugor: 1 values, last -4",
		"uniques:765|s\nuniques:alice|s":         "set uniques: 2 values",
		"page.views:1|c\nfuel.level:0.5|g":       "gauge fuel.level: 1 values, last 0.5\ncounter page.views: 1 values, sum 1",
		"song.length:240|h|@0.5":                 "timer song.length: 1 values, sum 240, from 240 to 240",
		"users.online:1|c|#country:china,a|@0.5": "counter users.online: 1 values, sum 2",
		"page.views:1:2:32|d":                    "timer page.views: 3 values, sum 35, from 1 to 32",
		"page.views:1|g|c:abc|T1656581400|e:x":   "gauge page.views: 1 values, last 1",
		"page.views:1|g|card:low":                "gauge page.views: 1 values, last 1",
		"a:1|c\n\n\r\na:2|c\r\n":                 "counter a: 2 values, sum 3",
		"a:1|c\na:1|g\na:1|ms\na:1|s":            "counter a: 1 values, sum 1\ngauge a: 1 values, last 1\ntimer a: 1 values, sum 1, from 1 to 1\nset a: 1 values",
		"a b/c-d:1|c":                            "counter a b/c-d: 1 values, sum 1",
		"a:.5:5.:1e3:-2E-1:+1|c":                 "counter a: 5 values, sum 1006.3",
		"a:-3|ms\na:-5|ms":                       "timer a: 2 values, sum -8, from -5 to -3",
		"_e{5,4}:title|text\n_sc|name|0":         "",
		strings.Repeat("n", 255) + ":1|c":        "counter " + strings.Repeat("n", 255) + ": 1 values, sum 1",
	} {
		h := new(statsd.Handler)
		send(t, worker(t, h), text, arrival, nil)
		if got := h.Stats(); lines(got) != want || got.Malformed != 0 || got.NoRoom != 0 ||
			got.Events != uint64(strings.Count("\n"+text, "\n_")) {
			t.Errorf("%q: %s, %+v; want %s", text, lines(got), got, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, text := range []string{
		"a", "a:1", "a|c", "a:|c", ":1|c", "a:1|", "a:1|x", "a:1|C", "a:1|c|", "a:1|c|x", "a:1|c|@", "a:1|c|@0", "a:1|c|@2", "a:1|c|@-1",
		"a:1|c|@0.1|", "a:x|c", "a:1x|c", "a:1::2|c", "a:1:|c", "a:+|g", "a:.|g", "a:1e|g", "a:1e100|g", "a:1e+|g", "a:0x1|g", "a:NaN|g",
		"a:Inf|c", "a:1_0|c", "a: 1|c", "a:" + strings.Repeat("1", 33) + "|c", "a\x00:1|c", "é:1|c", "a:|s", "a:1|c|c", "a:1|c|e",
		strings.Repeat("n", 256) + ":1|c", "_e", "_sc",
	} {
		h := new(statsd.Handler)
		w := worker(t, h)
		send(t, w, text, arrival, core.ErrMalformed)
		send(t, w, "good:1|c\n"+text, arrival, nil) // one good line is enough
		if got := h.Stats(); got.Malformed != 2 || got.Values != 1 || len(got.Metrics) != 1 {
			t.Errorf("%q: %+v", text, got)
		}
	}
	h := new(statsd.Handler)
	for _, text := range []string{"", "\n", "\r\n\r\n"} {
		send(t, worker(t, h), text, arrival, core.ErrMalformed)
	}
	if got := h.Stats(); got.Malformed != 0 {
		t.Errorf("empty lines are counted: %+v", got)
	}
}

func TestWorkers(t *testing.T) {
	h := new(statsd.Handler)
	a, b := worker(t, h), worker(t, h)
	send(t, a, "c:1|c\ng:1|g\nt:5|ms", arrival, nil)
	send(t, b, "c:2|c\ng:2|g\nt:3|ms\nonly:1|c", arrival.Add(time.Second), nil)
	const want = "counter c: 2 values, sum 3\ngauge g: 2 values, last 2\ncounter only: 1 values, sum 1\ntimer t: 2 values, sum 8, from 3 to 5"
	if got := h.Stats(); lines(got) != want || got.Values != 7 {
		t.Errorf("%s", lines(got))
	}
	closeWorker(t, b)
	closeWorker(t, b) // once more changes nothing
	if got := h.Stats(); lines(got) != want || got.Values != 7 {
		t.Errorf("after a worker's end: %s", lines(got))
	}
	if _, err := h.Reply(nil, &core.Datagram{}); err == nil {
		t.Error("the handler itself answers")
	}
}

func TestRoom(t *testing.T) {
	h := &statsd.Handler{Metrics: 10}
	w := worker(t, h)
	for i := range 30 {
		send(t, w, fmt.Sprintf("metric%d:1:1|c", i), arrival, nil)
	}
	send(t, w, "metric0:1|c", arrival, nil)
	if got := h.Stats(); len(got.Metrics) != 10 || got.NoRoom != 40 || got.Values != 21 {
		t.Errorf("%d metrics, %+v", len(got.Metrics), got)
	}
	// Long names take the room of several.
	h = &statsd.Handler{Metrics: 10}
	w = worker(t, h)
	for i := range 10 {
		send(t, w, strings.Repeat(string(rune('a'+i)), 255)+":1|c", arrival, nil)
	}
	if got := h.Stats(); len(got.Metrics) != 2 || got.NoRoom != 8 {
		t.Errorf("%d metrics, %+v", len(got.Metrics), got)
	}
	if _, err := (&statsd.Handler{Metrics: 1 << 17}).ForWorker(); err == nil {
		t.Error("there is a worker with room for too many")
	}
}

// Stats may be read while workers count; the race detector looks on.
func TestStatsMeanwhile(t *testing.T) {
	h := new(statsd.Handler)
	var workers sync.WaitGroup
	for range 3 {
		w := worker(t, h)
		workers.Go(func() {
			for i := range 1000 {
				send(t, w, fmt.Sprintf("m%d:3|ms", i%50), arrival, nil)
			}
			closeWorker(t, w)
		})
	}
	for range 50 {
		for _, m := range h.Stats().Metrics {
			if m.Low != 3 || m.High != 3 {
				t.Errorf("%+v", m)
			}
		}
	}
	workers.Wait()
	if s := h.Stats(); s.Values != 3000 || len(s.Metrics) != 50 || s.Metrics[0].Sum != 180 {
		t.Error(s)
	}
}

func TestReports(t *testing.T) {
	h := new(statsd.Handler)
	if err := h.Configure([]byte("metrics 100\nreport 5s")); err != nil || h.Metrics != 100 || h.Every != 5*time.Second {
		t.Fatalf("%v, %v", h, err)
	}
	var got []string
	h.ReportTo(func(text string) { got = append(got, text) })
	w := worker(t, h)
	idle := func() []string {
		got = nil
		w.(core.Idler).Idle()
		return got
	}
	send(t, w, "a:1|c\nb:2|g", arrival, nil)
	if got := idle(); len(got) != 0 {
		t.Errorf("too early: %q", got)
	}
	send(t, w, "a:1|c", arrival.Add(5*time.Second), nil)
	first := idle()
	slices.Sort(first)
	if want := []string{"statsd: 2 metrics, 3 values, 0 events, 0 without room, 0 malformed lines",
		"statsd: counter a: 2 values, sum 2", "statsd: gauge b: 1 values, last 2"}; !slices.Equal(first, want) {
		t.Errorf("%q; want %q", first, want)
	}
	send(t, w, "b:+1|g", arrival.Add(10*time.Second), nil)
	if got := idle(); len(got) != 2 || got[1] != "statsd: gauge b: 2 values, last 3" {
		t.Errorf("%q", got)
	}
	for i := range 60 {
		send(t, w, fmt.Sprintf("m%d:1|c", i), arrival.Add(11*time.Second), nil)
	}
	got = nil
	closeWorker(t, w)
	if len(got) != 52 || got[51] != "statsd: and 10 more that changed" {
		t.Errorf("%d lines: %q", len(got), got)
	}

	for config, says := range map[string]string{
		"metrics 0":    "line 1: metrics: ",
		"report never": "line 1: report: ",
		"port 1":       "no setting is called",
	} {
		if err := new(statsd.Handler).Configure([]byte(config)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", config, err)
		}
	}
	quiet := new(statsd.Handler)
	if err := quiet.Configure([]byte("report 0s")); err != nil {
		t.Fatal(err)
	}
	quiet.ReportTo(func(text string) { t.Errorf("it reports %q", text) })
	w = worker(t, quiet)
	send(t, w, "a:1|c", arrival, nil)
	send(t, w, "a:1|c", arrival.Add(time.Hour), nil)
	w.(core.Idler).Idle()
	closeWorker(t, w)
}

func TestContract(t *testing.T) {
	coretest.TestHandler(t, new(statsd.Handler), []byte("a:1|c\nb:2:3|ms|@0.5|#t:x\n"))
}

func TestReplyAllocatesNothing(t *testing.T) {
	w := worker(t, &statsd.Handler{Metrics: 4})
	for _, text := range []string{
		"a:1|c|@0.1", "b:1.25:1e3:-0.12345678901234567890|ms|#t:x", "c:+1|g", "d:x|s", "e:no room|s", "bad", "a:1e999|c", "a:NaN|c",
		"a:12345678901234567890123456789012|c",
	} {
		d := &core.Datagram{Data: []byte(text), Time: arrival}
		if n := testing.AllocsPerRun(100, func() { w.Reply(nil, d) }); n != 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

// Numbers are what strconv makes of them, which is the nearest that there are.
func TestNumbers(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "1", "123456789012345", "1234567890123456", "12345678901234567890123456789", "0.1", ".3", "3.", "-2.5e-3", "1e22", "1e23",
		"1.5e22", "9007199254740993", "1e-22", "1e-23", "123456789012345e-22", "123456789012345e22", "0.000000000000000000000000000001",
		"4.35", "1e99", "-99999999999999999999999999e99", "0e-99", "2.2250738585072014",
	} {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		h := new(statsd.Handler)
		send(t, worker(t, h), "a:"+text+"|ms", arrival, nil)
		if got := h.Stats().Metrics[0].Sum; got != want {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("gorets:1|c|@0.1\ngaugor:-10|g\nx:1:2|ms|#a:b\nu:alice|s\n_e{1,1}:a|b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &statsd.Handler{Metrics: 8}
		w := worker(t, h)
		d := &core.Datagram{Data: data, Time: arrival}
		b, err := w.Reply([]byte{}, d)
		s := h.Stats()
		good := s.Values+s.NoRoom+s.Events > 0
		if b != nil || good != (err == nil) {
			t.Errorf("%q: %q, %v, %+v", data, b, err, s)
		}
		var values uint64
		for _, m := range s.Metrics {
			values += m.Values
			if m.Low > m.High || len(m.Name) == 0 || len(m.Name) > statsd.MaxName || m.Sum != m.Sum || m.Last != m.Last {
				t.Errorf("%q: %+v", data, m)
			}
			if strings.ContainsFunc(m.String(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is reported as %q", data, m)
			}
		}
		if values != s.Values || len(s.Metrics) > 8 {
			t.Errorf("%q: %+v", data, s)
		}
	})
}

func BenchmarkReply(b *testing.B) {
	w := worker(b, new(statsd.Handler))
	d := &core.Datagram{Data: []byte("api.hits:1|c|@0.1|#route:home"), Time: arrival}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Reply(nil, d); err != nil {
			b.Fatal(err)
		}
	}
}
