package native

// What an error of a socket means. Most are about one datagram, which they cost or have cost, and say
// nothing about the next; causes_*.go sorts them for each family of systems.

import (
	"errors"
	"net"
	"os"

	"github.com/retort-udp/retort/core"
)

type cause int

const (
	other        cause = iota // anything else
	closed                    // the socket is of no more use
	pastDeadline              // a deadline has passed
	refused                   // nobody listens at the peer's port
	unreachable               // no way leads to the peer
	tooLong                   // the datagram is larger than the way takes
	noBuffer                  // the kernel had no room just then
	forbidden                 // a firewall or a policy of this host does not let it out
	truncated                 // received: it was larger than the buffer
	again                     // nothing happened; the call is to be made again
)

// counter returns what counts a reply that was lost for this cause.
func (c cause) counter(l *core.Losses) *uint64 {
	switch c {
	case refused, unreachable:
		return &l.Unreachable
	case tooLong:
		return &l.TooLong
	case noBuffer:
		return &l.NoBuffer
	case forbidden:
		return &l.Forbidden
	}
	return &l.Unsent
}

var errPortZero = errors.New("port 0 is no destination: nobody can receive there (RFC 768)")

// causeOfSend sorts an error of sending.
func causeOfSend(err error) cause {
	switch {
	case errors.Is(err, net.ErrClosed):
		return closed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return pastDeadline
	}
	return causeOfErrno(err)
}

// causeOfReceive sorts an error of receiving, which never is about a datagram that was too long to send.
func causeOfReceive(err error) cause {
	c := causeOfSend(err)
	if c == tooLong && truncationIsError {
		return truncated
	}
	return c
}

func isForbidden(err error) bool { return causeOfErrno(err) == forbidden }

// lacksFamily says whether err, of listening on a wildcard address, says that the host lacks the family.
func lacksFamily(err error) bool { return isNoFamily(err) || isNoLocalAddr(err) }

// bare returns err without the operation and the addresses that package net puts before it, for a message
// that names them already.
func bare(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
