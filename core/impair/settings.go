// Package impair puts faults between a server and its transport on purpose: a Conn around a Conn that loses, delays,
// duplicates, reorders, cuts and damages datagrams, and swaps replies, so that one sees what a client or a handler
// makes of a bad network.
//
// What befalls a datagram follows from the seed, the worker, the direction and how many datagrams went that way before
// it, and from nothing else: the same seed and the same datagrams give the same faults. It is a tool for tests and
// copies each datagram, so it is no measure of speed.
package impair

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Settings say what goes wrong, and how often. The zero Settings are a perfect network.
type Settings struct {
	// Requests and Replies are what befalls datagrams on their way in and out.
	Requests, Replies Faults

	// Swap is the share of replies that are exchanged with the next reply, if that comes within HoldTime: each goes to
	// the peer of the other. The other one is then not exchanged again, whatever was drawn for it.
	Swap float64

	// WrongPort is the share of replies that come from another port than the one that was asked. Only a transport
	// that has such a port can do that: see Conn.Stray.
	WrongPort float64

	// Seed is what chance follows from.
	Seed uint64
}

// Faults are what befalls the datagrams of one direction. A share is a probability from 0 to 1; those of one datagram
// are drawn independently.
type Faults struct {
	Loss      float64 // share that never arrives
	Duplicate float64 // share that arrives twice
	Reorder   float64 // share that the next datagram overtakes, if it comes within HoldTime; that one is not overtaken itself
	Truncate  float64 // share that is cut at a random length
	Corrupt   float64 // share in which one random bit is turned over

	// Delay is how long each is on its way, and Jitter how much more or less, evenly distributed.
	Delay, Jitter time.Duration
}

// MaxDelay is the longest Delay and Jitter.
const MaxDelay = time.Minute

// Validate says what is wrong with s.
func (s Settings) Validate() error {
	var errs []error
	for _, f := range s.fields() {
		switch value := f.value.(type) {
		case *float64:
			if !(*value >= 0 && *value <= 1) {
				errs = append(errs, fmt.Errorf("impair: %s is %v: a share is between 0%% and 100%%", f.name, *value))
			}
		case *time.Duration:
			if *value < 0 || *value > MaxDelay {
				errs = append(errs, fmt.Errorf("impair: %s is %v: it is between 0 and %v", f.name, *value, MaxDelay))
			}
		}
	}
	return errors.Join(errs...)
}

// Any says whether anything goes wrong at all.
func (s Settings) Any() bool {
	s.Seed = 0
	return s != Settings{}
}

// field is one setting by its name in text.
type field struct {
	name  string
	value any // *float64, a share; *time.Duration
}

// fields lists the settings in the order in which String writes them.
func (s *Settings) fields() []field {
	var all []field
	for _, d := range []struct {
		prefix string
		faults *Faults
	}{{"in.", &s.Requests}, {"out.", &s.Replies}} {
		all = append(all,
			field{d.prefix + "loss", &d.faults.Loss},
			field{d.prefix + "duplicate", &d.faults.Duplicate},
			field{d.prefix + "reorder", &d.faults.Reorder},
			field{d.prefix + "truncate", &d.faults.Truncate},
			field{d.prefix + "corrupt", &d.faults.Corrupt},
			field{d.prefix + "delay", &d.faults.Delay},
			field{d.prefix + "jitter", &d.faults.Jitter},
		)
	}
	return append(all, field{"swap", &s.Swap}, field{"wrong-port", &s.WrongPort})
}

// Parse reads settings from a line such as "loss=10%,delay=20ms±5ms,seed=7".
//
// The names are loss, duplicate, reorder, truncate, corrupt, delay and jitter, for datagrams of both directions, or of
// one with "in." (requests) or "out." (replies) before the name; swap and wrong-port, for replies; and seed. A share is
// a percentage, "10%", or a number from 0 to 1; a delay is a duration, and "20ms±5ms", or "20ms+-5ms", is a delay and
// its jitter. A name that is given twice counts as it was given last.
func Parse(text string) (Settings, error) {
	var s Settings
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return Settings{}, fmt.Errorf("impair: %q is no setting: write NAME=VALUE, as in loss=10%%", part)
		}
		if err := s.set(name, value); err != nil {
			return Settings{}, err
		}
	}
	return s, s.Validate()
}

// set sets what name means.
func (s *Settings) set(name, value string) error {
	if name == "seed" {
		seed, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("impair: seed=%s: a seed is a whole number", value)
		}
		s.Seed = seed
		return nil
	}
	known := false
	for _, f := range s.fields() {
		if f.name != name && f.name != "in."+name && f.name != "out."+name {
			continue
		}
		known = true
		if delay, jitter, ok := cutJitter(value); ok && strings.HasSuffix(f.name, "delay") {
			jitterName := strings.TrimSuffix(name, "delay") + "jitter"
			if err := errors.Join(s.set(name, delay), s.set(jitterName, jitter)); err != nil {
				return err
			}
			continue
		}
		if err := f.read(value); err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("impair: there is no setting %q: there are loss, duplicate, reorder, truncate, corrupt, delay "+
			"and jitter, each also as in.NAME and out.NAME, swap, wrong-port and seed", name)
	}
	return nil
}

// cutJitter divides "20ms±5ms".
func cutJitter(value string) (delay, jitter string, ok bool) {
	if delay, jitter, ok = strings.Cut(value, "±"); ok {
		return delay, jitter, ok
	}
	return strings.Cut(value, "+-")
}

// read reads a field's value.
func (f field) read(value string) error {
	switch to := f.value.(type) {
	case *time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("impair: %s=%s: a delay is a duration, such as 20ms", f.name, value)
		}
		*to = d
	case *float64:
		number, percent := strings.CutSuffix(value, "%")
		share, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsNaN(share) {
			return fmt.Errorf("impair: %s=%s: a share is a percentage, such as 10%%, or a number from 0 to 1", f.name, value)
		}
		if percent {
			share /= 100
		}
		*to = share
	}
	return nil
}

// String returns s as Parse reads it, without what is zero.
func (s Settings) String() string {
	var parts []string
	for _, f := range s.fields() {
		switch value := f.value.(type) {
		case *float64:
			if *value != 0 {
				parts = append(parts, f.name+"="+strconv.FormatFloat(*value, 'g', -1, 64))
			}
		case *time.Duration:
			if *value != 0 {
				parts = append(parts, f.name+"="+value.String())
			}
		}
	}
	if s.Seed != 0 {
		parts = append(parts, "seed="+strconv.FormatUint(s.Seed, 10))
	}
	return strings.Join(parts, ",")
}

// MarshalText implements encoding.TextMarshaler.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler, for flags and configuration files: it does what Parse does.
func (s *Settings) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}
