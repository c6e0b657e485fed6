package coretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
)

// TestHandler holds h to the contract of core.Handler, with requests of many sizes and with those
// given. It tests how h behaves, not what it answers: that is what package vectors is for. Run it with
// the race detector to find state that h should not share.
func TestHandler(t *testing.T, h core.Handler, requests ...[]byte) {
	t.Helper()
	requests = append(usualRequests(), requests...)
	t.Run("requests", func(t *testing.T) {
		instance := forWorker(t, h)
		for _, request := range requests {
			for _, limit := range []int{core.MaxPayload6, 512, 16, 1, 0} {
				if err := checkReply(instance, request, limit); err != nil {
					t.Errorf("%s, room for %d bytes: %v", name(request), limit, err)
				}
			}
		}
	})
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, h, requests) })
	t.Run("interfaces", func(t *testing.T) { testInterfaces(t, h, requests) })
}

// usualRequests are of the sizes at which handlers go wrong.
func usualRequests() [][]byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return [][]byte{
		nil,
		{0},
		[]byte("The time is 2026-11-22 13:40:00.123456"),
		all,
		bytes.Repeat([]byte("retort "), 200),
		make([]byte, core.MaxPayload4),
		bytes.Repeat([]byte{0xff}, core.MaxPayload6),
	}
}

func name(request []byte) string {
	if len(request) > 32 {
		return fmt.Sprintf("request of %d bytes, %.32q…", len(request), request)
	}
	return fmt.Sprintf("request %q", request)
}

// forWorker returns h, or an instance of it that is closed with the test.
func forWorker(t *testing.T, h core.Handler) core.Handler {
	t.Helper()
	p, ok := h.(core.PerWorker)
	if !ok {
		return h
	}
	instance, err := p.ForWorker()
	if err != nil {
		t.Fatalf("ForWorker: %v", err)
	}
	if instance == nil {
		t.Fatal("ForWorker returned neither a Handler nor an error")
	}
	if c, ok := instance.(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close of a worker's instance: %v", err)
			}
		})
	}
	return instance
}

func newDatagram(request []byte) *core.Datagram {
	peer, local := "192.0.2.1:40000", "198.51.100.1:1060" // RFC 5737: addresses of examples
	if len(request) > core.MaxPayload4 {
		peer, local = "[2001:db8::1]:40000", "[2001:db8::2]:1060" // RFC 3849
	}
	return &core.Datagram{
		Data: request,
		From: netip.MustParseAddrPort(peer),
		To:   netip.MustParseAddrPort(local),
		Time: time.Date(2026, 11, 22, 13, 40, 0, 123456000, time.UTC),
	}
}

// checkReply has h answer request in a room of limit bytes that lies between two strips of canaries.
func checkReply(h core.Handler, request []byte, limit int) error {
	const strip, canary = 64, 0xa5
	memory := bytes.Repeat([]byte{canary}, strip+limit+strip)
	dst := memory[strip : strip : strip+limit]
	data := slices.Clone(request)
	d := newDatagram(data)
	before := *d

	reply, err := h.Reply(dst, d)

	intact := bytes.Repeat([]byte{canary}, strip)
	switch {
	case !bytes.Equal(memory[:strip], intact) || !bytes.Equal(memory[strip+limit:], intact):
		return errors.New("it wrote outside the capacity of dst")
	case !bytes.Equal(data, request):
		return errors.New("it changed the data of the datagram")
	case d.From != before.From || d.To != before.To || !d.Time.Equal(before.Time) || len(d.Data) != len(data):
		return errors.New("it changed the datagram")
	case err == nil && len(reply) > 0 && len(reply) <= limit && &reply[0] != &memory[strip]:
		return errors.New("its reply is not dst extended, but other memory")
	}
	var code core.Code
	if errors.As(err, &code) && code > core.MaxCode {
		return fmt.Errorf("it returned the code %d: codes of handlers are %d and below", code, core.MaxCode)
	}
	return nil
}

// testConcurrent uses h as the workers of a server do.
func testConcurrent(t *testing.T, h core.Handler, requests [][]byte) {
	var workers sync.WaitGroup
	for range 4 {
		instance := forWorker(t, h)
		workers.Go(func() {
			for _, request := range requests {
				if err := checkReply(instance, request, 512); err != nil {
					t.Errorf("%s, with other workers beside it: %v", name(request), err)
				}
			}
		})
	}
	workers.Wait()
}

// testInterfaces calls the optional interfaces that h has.
func testInterfaces(t *testing.T, h core.Handler, requests [][]byte) {
	instance := forWorker(t, h)
	if c, ok := core.As[core.Classifier](instance); ok {
		for _, request := range requests {
			data := slices.Clone(request)
			c.IsResponse(newDatagram(data))
			if !bytes.Equal(data, request) {
				t.Errorf("%s: IsResponse changed the data of the datagram", name(request))
			}
		}
	}
	if i, ok := core.As[core.Idler](instance); ok {
		i.Idle()
		if err := checkReply(instance, []byte("after Idle"), 512); err != nil {
			t.Errorf("after Idle: %v", err)
		}
	}
}
