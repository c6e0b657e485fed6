// Package flagtype has the kinds of values that the command's flags take. Each type is a pflag.Value: what
// Set refuses is a usage error.
package flagtype

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Port is a UDP port as the original's command line takes it. Any integer is a port to Set, in the ways that
// Python's int reads one; whether it can be used is asked later, of Number, so that of several -p only the
// last one needs to.
type Port struct{ digits string }

// NewPort returns the Port n.
func NewPort(n uint16) Port { return Port{strconv.Itoa(int(n))} }

var integer = regexp.MustCompile(`^[+-]?[0-9]+(_[0-9]+)*$`)

// Set reads an integer: with a sign, blanks around it, and single underscores between digits if you like.
func (p *Port) Set(s string) error {
	s = strings.TrimSpace(s)
	if !integer.MatchString(s) {
		return fmt.Errorf("a port is a number")
	}
	p.digits = strings.TrimPrefix(strings.ReplaceAll(s, "_", ""), "+")
	return nil
}

// Number returns the port, or an error when it is not between 0 and 65535.
func (p Port) Number() (uint16, error) {
	n, err := strconv.Atoi(p.digits)
	if err != nil || n < 0 || n > math.MaxUint16 {
		return 0, fmt.Errorf("port %s is out of range: ports are 0 to 65535", p.digits)
	}
	return uint16(n), nil
}

func (p Port) String() string { return p.digits }

// Type is what help shows for the value.
func (Port) Type() string { return "PORT" }

// Size is a number of bytes: 65536, 64KiB, 16MiB, 1GiB.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// Set reads a whole number of bytes that is not negative, with a unit or without.
func (s *Size) Set(text string) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("a size is a number of bytes, such as 65536, 64KiB, 16MiB or 1GiB")
}

// String returns the size in the largest unit that it is a whole number of.
func (s Size) String() string {
	for _, u := range units {
		if n := int64(s); n != 0 && u.bytes > 1 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Type is what help shows for the value.
func (Size) Type() string { return "SIZE" }

// Share is a part of a whole, from 0 to 1.
type Share float64

// Set reads a decimal number from 0 to 1.
func (s *Share) Set(text string) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("a share is a number from 0 to 1")
	}
	*s = Share(f)
	return nil
}

func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

// Type is what help shows for the value.
func (Share) Type() string { return "SHARE" }

// Choice is one of a few words.
type Choice struct {
	Value string
	Words []string
}

// Set takes one of the words.
func (c *Choice) Set(s string) error {
	if !slices.Contains(c.Words, s) {
		return fmt.Errorf("it is %s", strings.Join(c.Words, " or "))
	}
	c.Value = s
	return nil
}

func (c Choice) String() string { return c.Value }

// Type is what help shows for the value.
func (c Choice) Type() string { return strings.Join(c.Words, "|") }
