package protocoltest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/statsd"
)

// statsdLines are what the datagrams of the comparison are made from, by chance broken. Some have numbers that are
// not exact in 15 digits.
var statsdLines = []string{
	"gorets:1|c|@0.1", "gorets:0.3|c|@0.7", "glork:320|ms|@0.1", "glork:1234567890.123456789:0.1|ms", "gaugor:-10|g", "gaugor:+0.1|g",
	"page.views:1:2:3.5e2|d|#a:b|T1656581400|c:ci-1", "page.views:2.5E-7|h", "small:1e-30|c", "users:alice|s", "_e{1,1}:a|b",
	"_sc|redis|2", "",
}

// As many metrics find room as are no accidents, and some that are. The report is one, at the end.
func TestDifferentialStatsD(t *testing.T) {
	differential(t, "statsd", []byte("metrics 40\nreport 24h"), func(r *rand.Rand, d *core.Datagram) {
		var b [][]byte
		for range 1 + r.IntN(4) {
			text := statsdLines[r.IntN(len(statsdLines))]
			switch r.IntN(4) {
			case 0:
				b = append(b, broken(r, text+" "))
			case 1:
				b = append(b, []byte(text+"\r"))
			default:
				b = append(b, []byte(text))
			}
		}
		d.Data = bytes.Join(b, []byte("\n"))
	})
}

func TestVectorsStatsD(t *testing.T) { answersVectors(t, "statsd") }

// The usual client of StatsD is a line of shell: bash sends what it writes to /dev/udp.
func TestClientStatsD(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not on this machine's path")
	}
	send := func(t *testing.T, h core.Handler) {
		k := &kinds{Handler: worker(t, h), seen: make(chan string, 1)}
		server := serve(t, k)
		out := run(t, bash, "-c", `printf 'test.hits:2|c|@0.5\n' >"/dev/udp/$0/$1"`, server.Addr().String(), fmt.Sprint(server.Port()))
		if out != "" {
			t.Skipf("this bash has no /dev/udp: %s", out)
		}
		if kind := k.next(t); kind != "silence" {
			t.Errorf("the metric is taken for %s", kind)
		}
	}
	t.Run("builtin", func(t *testing.T) {
		h := new(statsd.Handler)
		send(t, h)
		s := h.Stats()
		if len(s.Metrics) != 1 || s.Metrics[0].Name != "test.hits" || s.Metrics[0].Sum != 4 {
			t.Errorf("counted %+v", s)
		}
	})
	t.Run("guest", func(t *testing.T) { send(t, guestHandler(t, "statsd", nil)) })
}
