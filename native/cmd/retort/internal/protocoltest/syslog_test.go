package protocoltest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/syslog"
)

// syslogMessages are what the messages of the comparison are made from, by chance broken.
var syslogMessages = []string{
	"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed",
	`<165>1 2003-10-11T22:14:15.003Z h e - ID47 [a@1 iut="3" b="\"\]"][c d="é"] text`,
	"<191>1 2024-02-29T00:00:00+23:59 - - - - [a][b c=\"\"] " + strings.Repeat("x", 300),
	"<13>1 - - - - - " + strings.Repeat("[a]", 63) + "[a b=\"c\"]",
	"<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
	"<12>Feb 29 00:00:00 h t: leap",
	"<0>text",
}

// The report is one, at the end.
func TestDifferentialSyslog(t *testing.T) {
	differential(t, "syslog", []byte("report 24h"), func(r *rand.Rand, d *core.Datagram) {
		d.Data = []byte(syslogMessages[r.IntN(len(syslogMessages))])
		if r.IntN(2) == 0 {
			d.Data = broken(r, string(d.Data))
		}
	})
}

// broken returns text with up to three of its bytes changed, left out or doubled.
func broken(r *rand.Rand, text string) []byte {
	b := []byte(text)
	for range r.IntN(4) {
		i := r.IntN(len(b))
		switch r.IntN(3) {
		case 0:
			b[i] = byte(r.Uint32())
		case 1:
			if len(b) > 1 {
				b = append(b[:i], b[i+1:]...)
			}
		case 2:
			b = append(b[:i+1], b[i:]...)
		}
	}
	return b
}

func TestVectorsSyslog(t *testing.T) { answersVectors(t, "syslog") }

// logger sends what it is told, in either format.
func TestClientSyslog(t *testing.T) {
	logger := client(t, "logger", "bsdutils")
	send := func(t *testing.T, h core.Handler) {
		k := &kinds{Handler: worker(t, h), seen: make(chan string, 2)}
		server := serve(t, k)
		for _, format := range []string{"--rfc5424", "--rfc3164"} {
			out := run(t, logger, "--udp", "--server", server.Addr().String(), "--port", fmt.Sprint(server.Port()), format,
				"--priority", "local3.warning", "--tag", "test", "the message")
			if out != "" {
				t.Errorf("logger says %s", out)
			}
			if kind := k.next(t); kind != "silence" {
				t.Errorf("a message of logger %s is taken for %s", format, kind)
			}
		}
	}
	t.Run("builtin", func(t *testing.T) {
		h := new(syslog.Handler)
		send(t, h)
		s := h.Stats()
		if s.Formats != [3]uint64{1, 1, 0} || s.Facilities[19] != 2 || s.Severities[4] != 2 || s.Malformed != 0 {
			t.Errorf("counted %+v", s)
		}
	})
	t.Run("guest", func(t *testing.T) { send(t, guestHandler(t, "syslog", nil)) })
}

// kinds is a handler that tells what became of each datagram.
type kinds struct {
	core.Handler
	seen chan string
}

// next waits for the next datagram.
func (k *kinds) next(t *testing.T) string {
	t.Helper()
	select {
	case kind := <-k.seen:
		return kind
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrives")
		return ""
	}
}

func (k *kinds) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	_, kind := outcome(k.Handler, d, dst)
	k.seen <- kind
	return nil, nil
}
