package wasmhandler

import "fmt"

// Isolation says what of one datagram the next one may meet at a worker.
type Isolation uint8

const (
	// IsolateNone lets a guest keep what it likes until it has a fault: counters, caches, sessions.
	IsolateNone Isolation = iota
	// IsolateDatagram puts the guest back to its first state after every call, so that nothing that one
	// datagram left, the request itself included, can reach another. That costs some microseconds a datagram where
	// the guest can be reset in place, and a new instance where it cannot; see reset.go.
	IsolateDatagram
)

// String returns "none" or "datagram".
func (i Isolation) String() string {
	switch i {
	case IsolateNone:
		return "none"
	case IsolateDatagram:
		return "datagram"
	}
	return fmt.Sprintf("isolation %d", uint8(i))
}

// MarshalText implements encoding.TextMarshaler.
func (i Isolation) MarshalText() ([]byte, error) {
	if i > IsolateDatagram {
		return nil, fmt.Errorf("there is no %v", i)
	}
	return []byte(i.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler, for flags and configuration files.
func (i *Isolation) UnmarshalText(text []byte) error {
	for _, known := range []Isolation{IsolateNone, IsolateDatagram} {
		if string(text) == known.String() {
			*i = known
			return nil
		}
	}
	return fmt.Errorf("there is no isolation %q: it is none or datagram", text)
}
