package guard

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unsafe"

	"github.com/retort-udp/retort/core"
)

// Explain writes the rules in force to w, for an operator, with the memory that they take.
func (g *Guard) Explain(w io.Writer) error {
	_, err := io.WriteString(w, g.String())
	return err
}

// String returns what Explain writes.
func (g *Guard) String() string {
	var b strings.Builder
	section := func(title string, lines []string) {
		fmt.Fprintln(&b, title)
		for _, line := range lines {
			fmt.Fprintln(&b, "   ", line)
		}
	}
	section("Never answered", g.explainRefusals())
	section("Loops", g.explainLoops())
	section("Amplification", g.explainBudget())
	section("Rate", g.explainRate())
	shared, each := g.Memory()
	section("Memory", []string{fmt.Sprintf("%d KiB, and %d KiB for each worker, whoever sends", shared>>10, each>>10)})
	return b.String()
}

func (g *Guard) explainRefusals() []string {
	return []string{
		"sources that are no host: port 0, 0.0.0.0 and ::, multicast, 255.255.255.255",
		"ourselves: " + g.ourselves(),
		"sources: " + g.sources(),
		"datagrams to a broadcast or multicast address: " + choose(g.policy.AnswerGroup, "answered", "not answered"),
		"answers, where the handler can tell them from questions",
	}
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

func (g *Guard) ourselves() string {
	var names []string
	seen := make(map[netip.AddrPort]bool)
	wild := false
	for _, own := range g.own {
		if !seen[own] {
			seen[own] = true
			names = append(names, own.String())
		}
		wild = wild || own.Addr().IsUnspecified()
	}
	if wild {
		names = append(names, fmt.Sprintf("with loopback, the address that was asked, and %d more", len(g.local)))
	}
	return strings.Join(names, ", ")
}

func (g *Guard) sources() string {
	deny, allow := len(g.policy.Deny), len(g.policy.Allow)
	switch {
	case deny+allow == 0:
		return "all are allowed"
	case allow == 0:
		return fmt.Sprintf("all but those in %d prefixes", deny)
	case deny == 0:
		return fmt.Sprintf("only those in %d prefixes", allow)
	}
	return fmt.Sprintf("the longest of %d allowed and %d denied prefixes decides; others are denied", allow, deny)
}

func (g *Guard) explainLoops() []string {
	p := &g.policy
	if p.LoopGuard == Off {
		return []string{"not ended"}
	}
	return []string{
		"a datagram that repeats our last reply to its sender is dropped, unless that reply repeated its request",
		fmt.Sprintf("a reply is withheld after %d exchanges in strict alternation with a peer on a port from %d up",
			p.ClientPortExchanges, p.ClientPorts),
		fmt.Sprintf("and after %d with one on another port, a known service's or ours", p.LowPortExchanges),
		"it is sent with the reply to its peer's next datagram, if that comes soon, and is lost otherwise",
		"where the handler can tell answers from questions, none of this is needed",
		fmt.Sprintf("a worker remembers %d peers and keeps %d replies of up to %d bytes",
			tableSets*tableWays, heldReplies, heldSize),
	}
}

func (g *Guard) explainBudget() []string {
	four := func(n int) int { return g.budget.reply(n, headers4, core.MaxPayload4) }
	six := func(n int) int { return g.budget.reply(n, headers6, core.MaxPayload6) }
	return []string{
		fmt.Sprintf("at most %v bytes out for each byte in, off loopback, the headers of IP and UDP counted",
			g.policy.MaxAmplification),
		fmt.Sprintf("so an empty datagram is answered with up to %d bytes over IPv4 and %d over IPv6", four(0), six(0)),
		fmt.Sprintf("and one of 100 bytes with up to %d and %d", four(100), six(100)),
	}
}

func (g *Guard) explainRate() []string {
	p := &g.policy
	if g.rates == nil {
		return []string{"not limited"}
	}
	slip := "none of the others is answered"
	if p.Slip > 0 {
		slip = fmt.Sprintf("1 in %d of the others is answered all the same", p.Slip)
	}
	return []string{
		fmt.Sprintf("%d datagrams a second for each /%d (IPv4) and /%d (IPv6), %d at once",
			p.Rate, p.Prefix4, p.Prefix6, p.Burst),
		"refusals begin at half of that, at random",
		slip,
		fmt.Sprintf("a datagram on which the handler fails counts as %d", p.FaultCost),
		"loopback: " + choose(p.RateLimit == On, "limited as well", "not limited"),
	}
}

// Memory returns how many bytes a Guard takes for tables that all workers share, and how many for each
// worker. Neither grows.
func (g *Guard) Memory() (shared, each uintptr) {
	shared = unsafe.Sizeof(*g) + g.listed.v4.size() + g.listed.v6.size()
	each = unsafe.Sizeof(Worker{})
	if g.rates != nil {
		shared += unsafe.Sizeof(*g.rates)
		each += unsafe.Sizeof(till{})
	}
	if g.policy.LoopGuard != Off {
		each += unsafe.Sizeof(peers{})
	}
	return shared, each
}

func (r *ranges) size() uintptr {
	return uintptr(cap(r.starts))*unsafe.Sizeof(uint128{}) + uintptr(cap(r.denied))
}
