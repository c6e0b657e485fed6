package wasmhandler

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoInstance is returned, wrapped, for datagrams that found no instance to answer them: the last one had a
// fault, and another could not be made.
var ErrNoInstance = errors.New("no instance to answer with")

// The time between two attempts to replace an instance doubles from the first to the second of these.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 30 * time.Second
)

// backoff spaces attempts that fail. Its clock is the arrival of datagrams, so that a replay takes the same way.
// The zero backoff has nothing to wait for.
type backoff struct {
	failedAt time.Time
	pause    time.Duration
	err      error // why; nil: it did not fail
}

// wait returns the error of the last attempt while it is too early for another. A clock that went backwards
// does not make the wait longer.
func (b *backoff) wait(now time.Time) error {
	if since := now.Sub(b.failedAt); b.err != nil && since >= 0 && since < b.pause {
		return b.err
	}
	return nil
}

// failed notes that an attempt failed.
func (b *backoff) failed(now time.Time, err error) error {
	b.failedAt = now
	b.pause = min(max(2*b.pause, firstWait), longestWait)
	b.err = fmt.Errorf("%w: %w", ErrNoInstance, err)
	return b.err
}
