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

// statsdLines are what the datagrams of the comparison are made from, by chance broken.
var statsdLines = []string{
	"gorets:1|c|@0.1", "glork:320|ms|@0.1", "gaugor:-10|g", "page.views:1:2:3.5e2|d|#a:b", "users:alice|s", "_e{1,1}:a|b", "",
}

func TestDifferentialStatsD(t *testing.T) {
	differential(t, "statsd", []byte("metrics 50"), func(r *rand.Rand, d *core.Datagram) {
		var b [][]byte
		for range r.IntN(4) {
			if text := statsdLines[r.IntN(len(statsdLines))]; text != "" {
				b = append(b, broken(r, text))
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
