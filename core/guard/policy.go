package guard

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

// The defaults of a Policy's fields.
const (
	// DefaultLowPortExchanges ends a loop with a service after 402 datagrams from there, or up to 498 if they
	// come at odd times, and costs an honest peer a quarter of a percent, which any client that repeats a
	// lost question makes good.
	DefaultLowPortExchanges = 400

	// DefaultClientPortExchanges costs an honest peer less than its wire loses by itself.
	DefaultClientPortExchanges = 1 << 16

	// DefaultClientPorts is where Linux begins to give ports to clients; other systems begin at 49152
	// (RFC 6335, section 6), and services live below both.
	DefaultClientPorts = 1 << 15

	// DefaultMaxAmplification is what a QUIC server may send to an address that it has not validated
	// (RFC 9000, section 8.1).
	DefaultMaxAmplification = 3.0

	// DefaultRate is far above what the hosts of one /24 ask a service that people use, game clients
	// at 50 datagrams a second included, and it bounds what a victim gets from us when its addresses
	// are forged: with full datagrams of 1,500 bytes, 12 Mbit/s.
	DefaultRate = 1000

	// DefaultPrefix4 and DefaultPrefix6 are the smallest networks that the Internet routes as one, or
	// that a provider gives to one site (RFC 6177), so that nobody multiplies his rate by the addresses
	// that he has.
	DefaultPrefix4 = 24
	DefaultPrefix6 = 56

	// DefaultFaultCost lets a prefix cause ten faults a second at the default rate.
	DefaultFaultCost = 100
)

// The limits of a Policy's fields.
const (
	maxExchanges = 1 << 30
	maxRate      = 1_000_000        // a datagram then weighs 1 us, which the table's clock still tells apart
	maxDebt      = 60 * time.Second // Burst divided by Rate
	maxFaultCost = 1 << 20
)

// Policy is what an operator decides. The zero Policy is the safe default.
type Policy struct {
	// Local lists the addresses of this host, link-local ones with their zone. A server on a
	// wildcard address needs them to know itself under every name; loopback addresses need not be
	// listed.
	Local []netip.Addr

	// Own lists what other servers of ours listen on, those of this process above all. They are treated as
	// the addresses that this server listens on, which need not be listed: nothing that comes from there is
	// answered, and a peer on one of their ports is taken for a server.
	Own []netip.AddrPort

	// Broadcast lists the broadcast addresses of this host's IPv4 networks. No host has them, and an answer to
	// one would go to all hosts of its network. Those of all hosts, 255.255.255.255, and of the loopback network
	// need not be listed.
	Broadcast []netip.Addr

	// AnswerGroup answers datagrams that were sent to a broadcast or multicast address. Every host of
	// the group would answer, so that one datagram makes many.
	AnswerGroup bool

	// Deny and Allow say which sources are answered. The longest prefix that holds an address decides.
	// An address in none of them is answered unless Allow has any.
	Deny, Allow []netip.Prefix

	// LoopGuard ends exchanges that never would. Auto and On are the same. Off is refused off loopback
	// unless Acknowledge says that the operator knows what that does.
	LoopGuard Switch

	// Acknowledge allows what is refused otherwise because it endangers others.
	Acknowledge bool

	// LowPortExchanges is how many exchanges in strict alternation, of a datagram and our reply each, a peer on
	// a port below ClientPorts, on a known service's, or on one of ours has before one reply is withheld for a
	// moment, and the next one lost if it does not go on without; ClientPortExchanges is that of other peers.
	// Until the moment is good for that it may have up to 24 for each 100 more, and up to 4,096. 0 is the default.
	LowPortExchanges, ClientPortExchanges int

	// ClientPorts is the first port of those that systems give to clients. 0 is the default.
	ClientPorts uint16

	// ServicePorts are ports of services, beside those that are known anyway: another server of ours
	// on a port above ClientPorts, say.
	ServicePorts []uint16

	// MaxAmplification is how many bytes go out for each byte that came in, at most, off loopback.
	// Both count the headers of IP and UDP, and a reply that is longer than a packet of 1,500 bytes those of its
	// fragments; but a reply may always be as long as its request. At least 1; 0 is the default.
	MaxAmplification float64

	// RateLimit limits how many datagrams each prefix of sources has answered. Auto is all but loopback
	// sources; On limits these too.
	RateLimit Switch

	// Rate is datagrams a second for each prefix, up to 1,000,000. 0 is the default.
	Rate int

	// Burst is how many datagrams a prefix may send at once, up to a minute's worth of Rate. Refusals
	// begin, at random, at half of it. 0 is a second's worth: whoever sends twice the rate is found within
	// that time.
	Burst int

	// Prefix4 and Prefix6 are the lengths of those prefixes in bits. 0 is the default.
	Prefix4, Prefix6 int

	// Slip answers one in so many of the datagrams that are above the rate, all the same, so that an
	// honest client whose prefix somebody forges is not silenced altogether. 0 answers none.
	Slip int

	// FaultCost is as how many datagrams one counts whose handler failed or panicked. It is what keeps
	// crafted datagrams from costing anybody but their sender's prefix. 0 is the default.
	FaultCost int

	// Seed makes the draws and hashes of a Guard the same each time: for tests. Who knows it can find
	// sources that share a place in the tables. 0 is a random seed.
	Seed uint64
}

// Switch is whether a rule holds.
type Switch uint8

// The settings of a Switch.
const (
	Auto Switch = iota // as the rule's field says; the zero value
	On
	Off
)

var switchNames = [...]string{Auto: "auto", On: "on", Off: "off"}

// String returns "auto", "on" or "off".
func (s Switch) String() string {
	if int(s) < len(switchNames) {
		return switchNames[s]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it takes what String returns.
func (s *Switch) UnmarshalText(text []byte) error {
	i := slices.Index(switchNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no switch: write auto, on or off", text)
	}
	*s = Switch(i)
	return nil
}

// withDefaults returns p with its zero fields filled in.
func (p Policy) withDefaults() Policy {
	setInt := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	setInt(&p.LowPortExchanges, DefaultLowPortExchanges)
	setInt(&p.ClientPortExchanges, DefaultClientPortExchanges)
	setInt(&p.Rate, DefaultRate)
	setInt(&p.Burst, p.Rate)
	setInt(&p.Prefix4, DefaultPrefix4)
	setInt(&p.Prefix6, DefaultPrefix6)
	setInt(&p.FaultCost, DefaultFaultCost)
	if p.ClientPorts == 0 {
		p.ClientPorts = DefaultClientPorts
	}
	if p.MaxAmplification == 0 {
		p.MaxAmplification = DefaultMaxAmplification
	}
	return p
}

// Validate says what is wrong with p for a server that listens on the given addresses. A nil Policy is
// the zero one, which is always good.
func (p *Policy) Validate(listening ...netip.AddrPort) error {
	if p == nil {
		return nil
	}
	q := p.withDefaults()
	return errors.Join(
		inRange("exchanges with a low port", q.LowPortExchanges, 1, maxExchanges),
		inRange("exchanges with a client's port", q.ClientPortExchanges, 1, maxExchanges),
		inRange("rate", q.Rate, 1, maxRate),
		inRange("burst", q.Burst, 1, int(min(int64(q.Rate)*int64(maxDebt/time.Second), math.MaxInt32))),
		inRange("bits of an IPv4 prefix", q.Prefix4, 1, 32),
		inRange("bits of an IPv6 prefix", q.Prefix6, 1, 128),
		inRange("slip", q.Slip, 0, math.MaxInt32),
		inRange("cost of a fault", q.FaultCost, 1, maxFaultCost),
		q.validateAmplification(),
		q.validateSwitches(),
		q.validateLoopGuard(listening),
		validatePrefixes(q.Deny, q.Allow),
		validateLocal(q.Local),
		validateOwn(q.Own),
		validateBroadcast(q.Broadcast),
	)
}

func inRange(what string, value, least, most int) error {
	if value < least || value > most {
		return fmt.Errorf("guard: %s is %d: it must be from %d to %d", what, value, least, most)
	}
	return nil
}

func (p *Policy) validateAmplification() error {
	if !(p.MaxAmplification >= 1) { // a NaN is not
		return fmt.Errorf("guard: the amplification is limited to %v: it must be 1 or more", p.MaxAmplification)
	}
	return nil
}

func (p *Policy) validateSwitches() error {
	if p.LoopGuard > Off || p.RateLimit > Off {
		return errors.New("guard: a switch is neither auto nor on nor off")
	}
	return nil
}

func (p *Policy) validateLoopGuard(listening []netip.AddrPort) error {
	if p.LoopGuard != Off || p.Acknowledge {
		return nil
	}
	for _, a := range listening {
		if !a.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("guard: without its loop guard a server on %v can be made to flood others for ever: "+
				"leave it on, or acknowledge that", a)
		}
	}
	return nil
}

func validatePrefixes(deny, allow []netip.Prefix) error {
	denied := make(map[netip.Prefix]bool, len(deny))
	for _, p := range deny {
		if !p.IsValid() {
			return errors.New("guard: a denied prefix is not valid")
		}
		denied[normal(p)] = true
	}
	for _, p := range allow {
		if !p.IsValid() {
			return errors.New("guard: an allowed prefix is not valid")
		}
		if denied[normal(p)] {
			return fmt.Errorf("guard: %v is both denied and allowed", p)
		}
	}
	return nil
}

func validateLocal(local []netip.Addr) error {
	if slices.ContainsFunc(local, func(a netip.Addr) bool { return !a.IsValid() }) {
		return errors.New("guard: an address of this host is not valid")
	}
	return nil
}

func validateOwn(own []netip.AddrPort) error {
	if slices.ContainsFunc(own, func(a netip.AddrPort) bool { return !a.IsValid() }) {
		return errors.New("guard: an address of our own is not valid")
	}
	return nil
}

func validateBroadcast(all []netip.Addr) error {
	for _, a := range all {
		if !a.Unmap().Is4() {
			return fmt.Errorf("guard: %v is no broadcast address: only IPv4 has such", a)
		}
	}
	return nil
}
