package load

// The first question to a server.

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// The probe asks after 0, 0.1, 0.3, 0.7 and 1.5 seconds, and gives up after 3.1.
const (
	probeTries = 5
	probeWait  = 100 * time.Millisecond
	probePause = 100 * time.Microsecond
)

// probe asks until the server has answered rightly, so that nothing but a server that wants to be asked is
// ever put under load. With GSO it asks twice at once, to see whether that works.
func probe(ctx context.Context, o *Options, c clock) error {
	s, err := o.network(c).open()
	if err != nil {
		return err
	}
	defer s.close()
	j := newJudge(o)
	count := 1
	if o.GSO {
		count = 2
	}
	silent := &SilentError{Server: o.Target}
	began, right := c.now(), 0
	for try := range probeTries {
		if err := sendProbe(s, o, try*count, count); err != nil {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				return err
			}
			silent.Cause = err
		}
		silent.Lost += count
		for until := c.now() + int64(probeWait)<<try; c.now() < until; time.Sleep(probePause) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := receiveProbe(s, o, &j)
			if errors.As(err, new(*WrongError)) {
				return err
			}
			if err != nil {
				silent.Cause = err
			}
			if right += n; right >= count {
				return nil
			}
		}
	}
	silent.Since = time.Duration(c.now() - began)
	silent.Foreign = s.foreign()
	return silent
}

func sendProbe(s socket, o *Options, number, count int) error {
	packed := newRequests(count, o.Size)
	if o.Size >= IDSize {
		for i := range count {
			putID(packed[i*o.Size:], uint64(number+i), 0)
		}
	}
	_, err := s.send(packed, count)
	if err != nil && o.GSO {
		return fmt.Errorf("gso: %w; requests of %d bytes may be larger than the way to %v takes",
			err, o.Size, o.Target.Addr())
	}
	return err
}

// receiveProbe returns how many right replies have come.
func receiveProbe(s socket, o *Options, j *judge) (right int, err error) {
	var in inbox
	if err := s.receive(&in, 1); err != nil {
		return 0, err
	}
	for i := range in.messages {
		m := &in.messages[i]
		for rest, more := m.data, true; more; right++ {
			var reply []byte
			reply, rest, more = m.cut(rest)
			if _, _, ok := parseID(reply); !j.right(reply) || j.ids && !ok {
				return right, &WrongError{o.Target, o.Expect, append([]byte(nil), reply...)}
			}
		}
	}
	return right, nil
}
