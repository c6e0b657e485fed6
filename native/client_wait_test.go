package native_test

// How long a client waits, how often it asks, and what ends that.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

func TestWaits(t *testing.T) {
	ms := func(n ...time.Duration) []time.Duration {
		for i := range n {
			n[i] *= time.Millisecond
		}
		return n
	}
	const tenth = 100 * time.Millisecond
	for _, tt := range []struct {
		name string
		o    native.ClientOptions
		want []time.Duration
	}{
		{"default", native.ClientOptions{Jitter: -1}, ms(1000, 2000, 4000, 8000)},
		{"five tries", native.ClientOptions{FirstWait: tenth, Tries: 5, Jitter: -1}, ms(100, 200, 400, 800, 1600)},
		{
			"bounded",
			native.ClientOptions{FirstWait: tenth, Factor: 3, MaxWait: time.Second, Tries: 4, Jitter: -1},
			ms(100, 300, 900, 1000),
		},
		{"constant", native.ClientOptions{FirstWait: tenth, Factor: 1, Tries: 3, Jitter: -1}, ms(100, 100, 100)},
		{"long first", native.ClientOptions{FirstWait: 20 * time.Second, Tries: 2, Jitter: -1}, ms(20000, 20000)},
		{"huge factor", native.ClientOptions{Factor: 1e300, Tries: 3, Jitter: -1}, ms(1000, 8000, 8000)},
	} {
		if got, err := native.Waits(tt.o); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestJitter(t *testing.T) {
	for _, tt := range []struct{ jitter, low, high float64 }{
		{0, 0.9, 1.1}, // the default
		{0.5, 0.5, 1.5},
		{1, 0, 2},
	} {
		o := native.ClientOptions{FirstWait: time.Second, Factor: 1, Tries: 1000, Jitter: tt.jitter}
		waits, err := native.Waits(o)
		if err != nil {
			t.Fatal(err)
		}
		shorter, longer := 0, 0
		for _, w := range waits {
			if s := w.Seconds(); s < tt.low || s > tt.high {
				t.Fatalf("jitter %v: %v", tt.jitter, w)
			}
			switch {
			case w < time.Second:
				shorter++
			case w > time.Second:
				longer++
			}
		}
		if shorter < 300 || longer < 300 { // 500 expected, with a deviation of 16
			t.Errorf("jitter %v: %d waits are shorter and %d longer", tt.jitter, shorter, longer)
		}
	}
}

func TestAskAgain(t *testing.T) {
	for _, connect := range []bool{false, true} {
		t.Run(fmt.Sprint("connect ", connect), func(t *testing.T) {
			s := listen(t, "127.0.0.1:0")
			drops := 3
			serve(t, s, func(m *core.Message) []byte {
				if drops--; drops >= 0 {
					return nil
				}
				return m.Data
			})
			type waiting struct {
				try  int
				wait time.Duration
			}
			var waits []waiting
			o := native.ClientOptions{
				Connect: connect, FirstWait: 5 * time.Millisecond, MaxWait: patience, Tries: 100, Jitter: -1,
				Waiting: func(try int, wait time.Duration) { waits = append(waits, waiting{try, wait}) },
			}
			a, err := dial(t, s.LocalAddr().String(), o).Ask(t.Context(), []byte("again?"))
			if err != nil {
				t.Fatal(err)
			}
			// A slow machine may ask once more before the answer is there.
			if string(a.Data) != "again?" || a.Tries < 4 || a.Tries != len(waits) {
				t.Errorf("got %q after %d requests and %d waits", a.Data, a.Tries, len(waits))
			}
			for i, w := range waits {
				if w.try != i+1 || w.wait != 5*time.Millisecond<<i {
					t.Errorf("wait %d is %+v", i, w)
				}
			}
		})
	}
}

func TestNoReply(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(*core.Message) []byte { return nil })
	_, err := dial(t, s.LocalAddr().String(), shortWaits).Ask(t.Context(), []byte("anyone?"))
	no, ok := errors.AsType[*native.NoReplyError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if no.Server != s.LocalAddr() || no.Tries != 4 || no.Foreign != 0 || no.Refusal != nil || no.Cause != nil {
		t.Errorf("got %+v", no)
	}
	want := fmt.Sprintf("no reply from %v to 4 requests in %v", s.LocalAddr(), no.Elapsed.Round(time.Millisecond))
	if err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
}

func TestNoReplyErrorText(t *testing.T) {
	e := native.NoReplyError{
		Server: netip.MustParseAddrPort("127.0.0.1:1060"), Tries: 1, Elapsed: 3100 * time.Millisecond,
		Foreign: 2, Refusal: errors.New("connection refused"), Cause: context.Canceled,
	}
	want := "no reply from 127.0.0.1:1060 to 1 request in 3.1s; ignored 2 datagrams from others; " +
		"the network said: connection refused; stopped: context canceled"
	if e.Error() != want {
		t.Errorf("it says %q,\nwant %q", e.Error(), want)
	}
	if !errors.Is(&e, context.Canceled) || !errors.Is(&e, e.Refusal) ||
		errors.Is(&native.NoReplyError{}, context.Canceled) {
		t.Error("it wraps something else than its Cause and its Refusal")
	}
}

func TestAskHonoursItsContext(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(m *core.Message) []byte {
		if string(m.Data) == "silence" {
			return nil
		}
		return m.Data
	})
	o := longWaits
	asked := make(chan struct{}, 1)
	o.Waiting = func(int, time.Duration) { asked <- struct{}{} }
	c := dial(t, s.LocalAddr().String(), o)
	why := errors.New("changed my mind")

	t.Run("cancelled while it waits", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := c.Ask(ctx, []byte("silence"))
			result <- err
		}()
		<-asked
		cancel(why)
		err := waitFor(t, result)
		no, ok := errors.AsType[*native.NoReplyError](err)
		if !ok || !errors.Is(err, why) || no.Tries != 1 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := c.Ask(ctx, []byte("silence"))
		if no, ok := errors.AsType[*native.NoReplyError](err); !ok || !errors.Is(err, why) || no.Tries != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := c.Ask(ctx, []byte("silence"))
		<-asked
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("asked again afterwards", func(t *testing.T) {
		a, err := c.Ask(t.Context(), []byte("hello"))
		<-asked
		if err != nil || string(a.Data) != "hello" {
			t.Errorf("got %q, %v", a.Data, err)
		}
	})
}

// Cancelling at any moment spoils no later question.
func TestCancelRaces(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, echo)
	c := dial(t, s.LocalAddr().String(), longWaits)
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := c.Ask(ctx, []byte("hello")); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
	}
	if _, err := c.Ask(t.Context(), []byte("last")); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestClosingEndsAsk(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(*core.Message) []byte { return nil })
	o := longWaits
	asked := make(chan struct{}, 1)
	o.Waiting = func(int, time.Duration) { asked <- struct{}{} }
	c := dial(t, s.LocalAddr().String(), o)
	result := make(chan error, 1)
	go func() {
		_, err := c.Ask(context.Background(), []byte("anyone?"))
		result <- err
	}()
	<-asked
	c.Close()
	if err := waitFor(t, result); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Ask(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("asking a closed client: %v", err)
	}
	if err := c.Send(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sending by a closed client: %v", err)
	}
}
