package native_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// scripted is a socket whose calls end as a test says. When the script is over, reads return a datagram
// and writes succeed.
type scripted struct {
	errs     []error
	from     netip.AddrPort // of the datagrams; scriptedPeer unless set
	control  []byte         // what the kernel says about them
	calls    int
	written  []string
	controls [][]byte // what the kernel was told about what was written
}

func (s *scripted) next() error {
	s.calls++
	if s.calls <= len(s.errs) {
		return s.errs[s.calls-1]
	}
	return nil
}

var (
	scriptedLocal = netip.MustParseAddrPort("127.0.0.1:1060")
	scriptedPeer  = netip.MustParseAddrPort("127.0.0.2:50000")
)

func (s *scripted) ReadMsgUDPAddrPort(data, control []byte) (
	n, controls, flags int, from netip.AddrPort, err error,
) {
	if err := s.next(); err != nil {
		return 0, 0, 0, netip.AddrPort{}, err
	}
	from = scriptedPeer
	if s.from.IsValid() {
		from = s.from
	}
	return copy(data, "good"), copy(control, s.control), 0, from, nil
}

func (s *scripted) WriteMsgUDPAddrPort(data, control []byte, _ netip.AddrPort) (n, controls int, err error) {
	if err := s.next(); err != nil {
		return 0, 0, err
	}
	s.written = append(s.written, string(data))
	s.controls = append(s.controls, slices.Clone(control))
	return len(data), 0, nil
}

func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }
func (s *scripted) Close() error                     { return nil }

// netError is err as package net returns it.
func netError(call string, err error) error {
	return &net.OpError{Op: call, Net: "udp", Err: os.NewSyscallError(call, err)}
}

func TestReceiveEnduresWhatIsOneDatagrams(t *testing.T) {
	for _, err := range passingReceiveErrors {
		s := &scripted{errs: []error{netError("recvmsg", err), netError("recvmsg", err)}}
		c := native.NewConn(s, scriptedLocal)
		b := core.NewBatch()
		if got := c.Receive(b); got != nil {
			t.Errorf("%v ended the Conn: %v", err, got)
			continue
		}
		if len(b.Messages) != 1 || string(b.Messages[0].Data) != "good" || s.calls != 3 {
			t.Errorf("after %v received %+v in %d calls", err, b.Messages, s.calls)
		}
	}
}

func TestReceiveEndsOnOtherErrors(t *testing.T) {
	for _, err := range append(endingErrors, net.ErrClosed, errors.New("never heard of")) {
		c := native.NewConn(&scripted{errs: []error{netError("recvmsg", err)}}, scriptedLocal)
		if got := c.Receive(core.NewBatch()); !errors.Is(got, err) {
			t.Errorf("%v: Receive returned %v", err, got)
		}
	}
}

// An error that stays must not keep a processor busy.
func TestReceivePausesWhenErrorsGoOn(t *testing.T) {
	if len(passingReceiveErrors) == 0 {
		t.Skip("no error of this system passes")
	}
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		for range 1100 {
			s.errs = append(s.errs, netError("recvmsg", passingReceiveErrors[0]))
		}
		c := native.NewConn(s, scriptedLocal)
		began := time.Now() // the bubble's clock moves when all sleep, and only then
		if err := c.Receive(core.NewBatch()); err != nil {
			t.Fatal(err)
		}
		if paused := time.Since(began); paused < time.Second {
			t.Errorf("1100 errors in a row took %v of pauses, want a millisecond for all but the first few", paused)
		}

		s.errs, s.calls = s.errs[:10], 0
		began = time.Now()
		if err := c.Receive(core.NewBatch()); err != nil {
			t.Fatal(err)
		}
		if paused := time.Since(began); paused != 0 {
			t.Errorf("10 errors after a good datagram took %v of pauses", paused)
		}
	})
}

func TestSendCountsErrors(t *testing.T) {
	for _, tt := range lossesOfSend {
		s := &scripted{errs: []error{nil, netError("sendmsg", tt.err)}}
		want := tt.want
		if tt.again {
			// What a kernel may say of an earlier datagram counts for that, and is tried again once.
			s.errs = append(s.errs, netError("sendmsg", tt.err))
			want.Unreachable++
		}
		c := native.NewConn(s, scriptedLocal)
		b := core.NewBatch()
		b.Messages = []core.Message{{From: scriptedPeer, To: scriptedLocal}}
		for _, data := range []string{"one", "two", "three"} {
			b.Answer(0, []byte(data))
		}
		if err := c.Send(b); err != nil {
			t.Errorf("%v ended the Conn: %v", tt.err, err)
		}
		if b.Losses != want {
			t.Errorf("%v: lost %+v, want %+v", tt.err, b.Losses, want)
		}
		if len(s.written) != 2 || s.written[0] != "one" || s.written[1] != "three" {
			t.Errorf("%v: sent %q, want one and three", tt.err, s.written)
		}
	}
}

// One peer's refusal, told to whoever sends next, costs that one nothing: it is the first peer's reply that was lost.
func TestSendTriesAgainAfterAnothersRefusal(t *testing.T) {
	tried := false
	for _, tt := range lossesOfSend {
		if !tt.again {
			continue
		}
		tried = true
		s := &scripted{errs: []error{netError("sendmsg", tt.err)}}
		b := core.NewBatch()
		b.Messages = []core.Message{{From: scriptedPeer, To: scriptedLocal}}
		b.Answer(0, []byte("one"))
		if err := native.NewConn(s, scriptedLocal).Send(b); err != nil {
			t.Fatal(err)
		}
		if len(s.written) != 1 || b.Losses != (core.Losses{Unreachable: 1}) {
			t.Errorf("%v: sent %q, lost %+v", tt.err, s.written, b.Losses)
		}
	}
	if !tried {
		t.Skip("this system has no such error")
	}
}

func TestSendEndsOnAClosedSocket(t *testing.T) {
	for _, err := range append(endingErrors, net.ErrClosed) {
		s := &scripted{errs: []error{nil, netError("sendmsg", err)}}
		b := core.NewBatch()
		b.Messages = []core.Message{{From: scriptedPeer, To: scriptedLocal}}
		for range 3 {
			b.Answer(0, []byte("x"))
		}
		if got := native.NewConn(s, scriptedLocal).Send(b); !errors.Is(got, err) {
			t.Errorf("%v: Send returned %v", err, got)
		}
		if want := (core.Losses{Unsent: 2}); b.Losses != want {
			t.Errorf("%v: lost %+v, want %+v", err, b.Losses, want)
		}
	}
}

// sendLoss is what an error of sending a reply counts as.
type sendLoss struct {
	err   error
	want  core.Losses
	again bool // it may be about an earlier datagram
}
