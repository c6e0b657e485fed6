package guard

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unsafe"
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
		if len(lines) > 0 {
			fmt.Fprintln(&b, title)
		}
		for _, line := range lines {
			fmt.Fprintln(&b, "   ", line)
		}
	}
	section("Never answered", g.explainRefusals())
	section("Loops", g.explainLoops())
	section("Amplification", g.explainBudget())
	section("Rate", g.explainRate())
	shared, each := g.Memory()
	section("Fixed: there is no setting for it", g.explainFixed())
	section("Memory", []string{fmt.Sprintf("%d KiB, and %d KiB for each worker, whoever sends", shared>>10, each>>10)})
	section("Warnings", g.Warnings())
	return b.String()
}

func (g *Guard) explainRefusals() []string {
	lines := append([]string{
		"sources that are no host: port 0, 0.0.0.0/8 and ::, multicast",
		"broadcast addresses: " + g.explainBroadcast(),
		"ourselves: " + g.ourselves(),
	}, g.explainPrefixes()...)
	return append(lines,
		"datagrams to a broadcast or multicast address: "+choose(g.policy.AnswerGroup, "answered all the same", "not answered"),
		"answers, where the handler can tell them from questions",
	)
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// listed is how many things of a kind are named; of more there is only the number.
const listed = 8

// list names things, each once, and cuts a long list.
func list[T comparable](all []T) string {
	seen := make(map[T]bool, len(all))
	var b strings.Builder
	for _, one := range all {
		if seen[one] {
			continue
		}
		seen[one] = true
		switch n := len(seen); {
		case n == 1:
			fmt.Fprint(&b, one)
		case n <= listed:
			fmt.Fprint(&b, ", ", one)
		}
	}
	if more := len(seen) - listed; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

func (g *Guard) ourselves() string {
	wild := slices.ContainsFunc(g.own, func(a netip.AddrPort) bool { return a.Addr().IsUnspecified() })
	names := list(g.own)
	if !wild {
		return names
	}
	names += ", by every loopback address and the one that was asked"
	if len(g.local) > 0 {
		names += ", and by " + list(slices.SortedFunc(maps.Keys(g.local), netip.Addr.Compare))
	}
	return names
}

func (g *Guard) explainBroadcast() string {
	all := slices.SortedFunc(maps.Keys(g.broadcast), func(a, b uint128) int { return cmp.Compare(a.lo, b.lo) })
	names := make([]netip.Addr, len(all))
	for i, a := range all {
		names[i] = netip.AddrFrom4([4]byte{byte(a.lo >> 24), byte(a.lo >> 16), byte(a.lo >> 8), byte(a.lo)})
	}
	return list(names)
}

func (g *Guard) explainPrefixes() (lines []string) {
	names := func(prefixes []netip.Prefix) string {
		all := make([]netip.Prefix, len(prefixes))
		for i, p := range prefixes {
			all[i] = normal(p)
		}
		return list(all)
	}
	deny, allow := g.policy.Deny, g.policy.Allow
	if len(deny) > 0 {
		lines = append(lines, "sources in "+names(deny))
	}
	if len(allow) > 0 {
		lines = append(lines, "sources outside "+names(allow))
	}
	if len(deny) > 0 && len(allow) > 0 {
		lines = append(lines, "of those prefixes, the longest that holds a source decides")
	}
	return lines
}

func (g *Guard) explainLoops() []string {
	p := &g.policy
	if p.LoopGuard == Off {
		return []string{"not ended, unless the handler can tell answers from questions"}
	}
	ours := make([]uint16, len(g.own))
	for i, own := range g.own {
		ours[i] = own.Port()
	}
	known := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(knownServices)), ", "), "[]")
	services := fmt.Sprintf("a service's port is one below %d, ours (%s), a known one (%s)",
		p.ClientPorts, list(ours), known)
	if len(p.ServicePorts) > 0 {
		services += " or one of " + list(p.ServicePorts)
	}
	several := "several datagrams in one loop look like a pipelined client: "
	switch {
	case g.rates == nil:
		several += "nothing ends them, since the rate is not limited"
	case g.kinds[1].limited:
		several += "the rate bounds them, and ends fast ones"
	default:
		several += "the rate bounds them, and ends fast ones, but not on loopback"
	}
	return []string{
		"where the handler can tell answers from questions it is asked questions only, and the rest does not apply",
		"a datagram that repeats our last reply to its sender is dropped, unless that reply repeated its request",
		services,
		fmt.Sprintf("to a peer on such a port a reply is withheld after %d exchanges in strict alternation", p.LowPortExchanges),
		fmt.Sprintf("and after %d to a peer on another port", p.ClientPortExchanges),
		fmt.Sprintf("or up to %d and %d later, when a gap between its datagrams is as long as any of late, and there is room",
			furtherExchanges(g.exchanges[1]), furtherExchanges(g.exchanges[0])),
		"it is sent with the reply to its peer's next datagram, if that comes soon, and late otherwise",
		"after a late one the next reply is withheld too, and is lost if its peer does not go on without that either",
		several,
	}
}

// explainFixed says which limits nobody can set.
func (g *Guard) explainFixed() (lines []string) {
	if g.policy.LoopGuard != Off {
		lines = append(lines,
			fmt.Sprintf("a peer that says nothing for %v begins anew", pause),
			fmt.Sprintf("a withheld reply waits for %d of its peer's longest gaps of late and %v, but for %v at most",
				patienceGaps, firstPatience, longestFirst),
			fmt.Sprintf("one after a late one waits for as many and %v, but for %v at most", patience, pause),
			fmt.Sprintf("a worker knows %d peers, and has room for %d replies of up to %d bytes, %d of up to %d and %d that are longer",
				tableSets*tableWays, smallReplies, smallSize, middleReplies, middleSize, largeReplies),
			fmt.Sprintf("where that is not enough, a peer gets the place of another when it comes again before some %d others are turned away",
				doorPrints),
		)
	}
	if g.rates != nil {
		lines = append(lines, fmt.Sprintf("there is room for %d prefixes that have sent something of late, and for %d at each worker",
			rateLines*lineCells, 2*tabPairs),
			fmt.Sprintf("a worker tells the others what it has answered of a prefix when that is one part in %d of what may come at once", shares))
		if g.rates.lump > 0 {
			lines = append(lines,
				fmt.Sprintf("where there is not room, one datagram in %d of prefixes that have sent less counts, as %d", drawn, drawn))
		}
	}
	return lines
}

func (g *Guard) explainBudget() []string {
	if g.kinds[0].budget == noBudget {
		return []string{"not limited"}
	}
	six, four := g.kinds[0].reply, g.kinds[2].reply
	return []string{
		fmt.Sprintf("at most %v bytes out for each byte in, off loopback, the headers of IP and UDP counted, in packets of %d",
			g.policy.MaxAmplification, packet),
		fmt.Sprintf("so an empty datagram is answered with up to %d bytes over IPv4 and %d over IPv6", four(0), six(0)),
		fmt.Sprintf("and one of 100 bytes with up to %d and %d", four(100), six(100)),
	}
}

func (g *Guard) explainRate() []string {
	p := &g.policy
	if g.rates == nil {
		return []string{"not limited"}
	}
	slip := "none of those that are refused is answered"
	if p.Slip > 0 {
		slip = fmt.Sprintf("1 in %d of those that are refused is answered all the same", p.Slip)
	}
	return []string{
		fmt.Sprintf("%d datagrams a second for each /%d (IPv4) and /%d (IPv6), %d at once",
			p.Rate, p.Prefix4, p.Prefix6, p.Burst),
		"refusals begin at half of what may come at once, at random",
		slip,
		fmt.Sprintf("a datagram on which the handler fails counts as %d more", p.FaultCost),
		"sources on loopback: " + choose(p.RateLimit == On, "limited as well", "not limited"),
	}
}

// Memory returns how many bytes a Guard takes for tables that all workers share, and how many for each
// worker, at most: one whose handler is a Classifier remembers no peers. Neither grows.
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
