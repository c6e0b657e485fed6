package protocoltest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/cookie"
)

const cookieConfig = "secret 000102030405060708090a0b0c0d0e0f\nanswer \"the answer\"\nlifetime 20s"

func TestDifferentialCookie(t *testing.T) {
	// A third party knows the secret and gives every other question its cookie, of some seconds ago.
	oracle := worker(t, builtinHandler(t, "cookie", []byte(cookieConfig)))
	differential(t, "cookie", []byte(cookieConfig), func(r *rand.Rand, d *core.Datagram) {
		var c cookie.Cookie
		d.Data = cookie.AppendQuestion(nil, c, nil)
		if r.IntN(2) == 0 {
			past := *d
			past.Time = d.Time.Add(-time.Duration(r.IntN(30)) * time.Second)
			b, err := oracle.Reply(nil, &past)
			if err != nil {
				t.Fatal(err)
			}
			challenge, _ := cookie.ParseReply(b)
			c = challenge.Cookie
		}
		d.Data = cookie.AppendQuestion(nil, c, noise(r, r.IntN(40)))
		if r.IntN(4) == 0 { // broken somewhere
			d.Data[r.IntN(16)] ^= 1 << r.IntN(8)
			d.Data = d.Data[:r.IntN(len(d.Data)+1)]
		}
	})
}

func TestVectorsCookie(t *testing.T) { answersVectors(t, "cookie") }

// The protocol is this project's own, so there is no client elsewhere: this is a whole exchange over a socket.
func TestClientCookie(t *testing.T) {
	eachBuild(t, "cookie", []byte(cookieConfig), func(t *testing.T, server netip.AddrPort) {
		conn, err := net.Dial("udp", server.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		var c cookie.Cookie
		said := make([]string, 0, 3)
		for range 3 {
			if _, err := conn.Write(cookie.AppendQuestion(nil, c, []byte("hello"))); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 1500)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			r, ok := cookie.ParseReply(b[:n])
			switch {
			case !ok:
				t.Fatalf("the reply %x is none", b[:n])
			case r.Challenge:
				c = r.Cookie
				said = append(said, "challenge")
			default:
				said = append(said, string(r.Answer))
			}
		}
		if got := strings.Join(said, ", "); got != "challenge, the answer, the answer" {
			t.Error(got)
		}
	})
}
