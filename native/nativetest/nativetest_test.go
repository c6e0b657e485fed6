package nativetest_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/impair"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/nativetest"
)

// TestClient is how a test of one's own looks: a server, a client, and what it must say.
func TestClient(t *testing.T) {
	addr := nativetest.Serve(t, reply.Length{})
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := ask(t, conn, "hello"); got != "Your data was 5 bytes long" {
		t.Errorf("%q", got)
	}
}

func ask(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

// What is asked for goes wrong on real sockets, too.
func TestImpair(t *testing.T) {
	settings, err := impair.Parse("out.corrupt=1,delay=1ms±1ms,seed=1")
	if err != nil {
		t.Fatal(err)
	}
	s := nativetest.Server{Server: server.Server{Handler: reply.Echo{}}, Impair: settings}
	addr := s.Start(t)
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 100 {
		request := fmt.Sprintf("request %3d", i)
		got := ask(t, conn, request)
		if len(got) != len(request) || got == request {
			t.Errorf("%q is answered by %q", request, got)
		}
	}
}

// A reply from the wrong port has the right content.
func TestWrongPort(t *testing.T) {
	s := nativetest.Server{
		Server: server.Server{Handler: core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
			return append(dst, d.Data...), nil
		})},
		Impair: impair.Settings{WrongPort: 1},
	}
	addr := s.Start(t)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.WriteTo([]byte("who?"), net.UDPAddrFromAddrPort(addr)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	n, from, err := conn.ReadFrom(buffer)
	if err != nil {
		t.Fatal(err)
	}
	port := from.(*net.UDPAddr).AddrPort()
	if !bytes.Equal(buffer[:n], []byte("who?")) || port.Port() == addr.Port() || port.Addr() != addr.Addr() {
		t.Errorf("%q from %v, asked %v", buffer[:n], port, addr)
	}
}
