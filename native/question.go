package native

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// question is one request of a Client on its way to an answer.
type question struct {
	client  *Client
	request []byte
	dst     []byte

	began   time.Time
	tries   int
	foreign int
	late    int
	refusal error
}

// ask asks until there is an answer, or all tries are used up, or ctx has ended.
func (q *question) ask(ctx context.Context) (Answer, error) {
	o := &q.client.o
	q.late = q.client.stale()
	q.began = time.Now()
	for wait := o.FirstWait; ; wait = o.longer(wait) {
		if ctx.Err() != nil {
			return Answer{}, q.noReply(context.Cause(ctx))
		}
		if err := q.send(); err != nil {
			return Answer{}, err
		}
		a, answered, err := q.await(ctx, o.jittered(wait))
		switch {
		case err != nil:
			return Answer{}, fmt.Errorf("ask %v: %w", q.client.server, bare(err))
		case answered:
			return a, nil
		case ctx.Err() != nil:
			return Answer{}, q.noReply(context.Cause(ctx))
		case q.tries >= o.Tries:
			return Answer{}, q.noReply(nil)
		}
	}
}

// longer returns the wait that follows one of that length.
func (o *ClientOptions) longer(wait time.Duration) time.Duration {
	return time.Duration(min(float64(wait)*o.Factor, float64(o.MaxWait)))
}

// jittered returns wait, longer or shorter by up to Jitter.
func (o *ClientOptions) jittered(wait time.Duration) time.Duration {
	if o.Jitter == 0 {
		return wait
	}
	return time.Duration(float64(wait) * (1 + o.Jitter*(2*rand.Float64()-1)))
}

// send sends the request. That the network has no way just now costs a try; what will not change by
// waiting is an error.
func (q *question) send() error {
	word, err := q.client.write(q.request)
	if word != nil {
		q.refusal = lastWord(word)
	}
	q.tries++
	if err == nil {
		return nil
	}
	switch causeOfSend(err) {
	case refused, unreachable, noBuffer, again:
		q.refusal = lastWord(err)
		return nil
	}
	return q.client.sendError(q.request, err)
}

// await waits for the answer. An error says that the socket is of no more use.
func (q *question) await(ctx context.Context, wait time.Duration) (a Answer, answered bool, err error) {
	c := q.client
	if c.o.Waiting != nil {
		c.o.Waiting(q.tries, wait)
	}
	if err := c.socket.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return a, false, err
	}
	if ctx.Err() != nil {
		return a, false, nil // what interruptAfter did may have been undone just now
	}
	for failures := 0; ; {
		n, _, flags, from, err := c.socket.ReadMsgUDPAddrPort(c.data, nil)
		if err != nil {
			switch why := causeOfReceive(err); why {
			case pastDeadline:
				return a, false, nil
			case closed, other:
				return a, false, err
			case truncated, again:
			default:
				q.refusal = lastWord(err)
			}
			if failures++; failures > patience {
				time.Sleep(time.Millisecond)
			}
			continue
		}
		failures = 0
		from = unmapped(from)
		switch {
		case n == len(c.data) || flags&truncationFlags != 0: // no datagram of IP is that large
		case !c.o.Promiscuous && from != c.server:
			q.foreign++
		default:
			return Answer{
				Data:    append(q.dst, c.data[:n]...),
				From:    from,
				Tries:   q.tries,
				Elapsed: time.Since(q.began),
				Foreign: q.foreign,
				Late:    q.late,
			}, true, nil
		}
	}
}

func (q *question) noReply(cause error) error {
	return &NoReplyError{
		Server:  q.client.server,
		Tries:   q.tries,
		Elapsed: time.Since(q.began),
		Foreign: q.foreign,
		Late:    q.late,
		Refusal: q.refusal,
		Cause:   cause,
	}
}

// lastWord returns what the system said, without what package net says around it.
func lastWord(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
