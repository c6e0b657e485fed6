package guard

import (
	"cmp"
	"net/netip"
	"slices"
)

// prefixes says which addresses are denied: of the prefixes that hold an address the longest decides.
//
// Nested prefixes are flattened when it is made, so that a look-up is one binary search whatever their
// number.
type prefixes struct {
	some   bool // there are any
	v4, v6 ranges
}

func newPrefixes(deny, allow []netip.Prefix) (p prefixes) {
	rules := make([]rule, 0, len(deny)+len(allow))
	for _, d := range deny {
		rules = append(rules, rule{normal(d), true})
	}
	for _, a := range allow {
		rules = append(rules, rule{normal(a), false})
	}
	slices.SortFunc(rules, func(a, b rule) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	six := slices.IndexFunc(rules, func(r rule) bool { return r.prefix.Addr().Is6() })
	if six < 0 {
		six = len(rules)
	}
	others := len(allow) > 0
	return prefixes{some: len(rules) > 0, v4: flatten(rules[:six], others), v6: flatten(rules[six:], others)}
}

// denies says whether an address is denied.
func (p *prefixes) denies(a uint128) bool {
	if a.is4() {
		return p.v4.at(a)
	}
	return p.v6.at(a)
}

// rule is a prefix of one's own and what it says.
type rule struct {
	prefix netip.Prefix
	denied bool
}

// normal returns p without host bits, and as an IPv4 prefix if it holds IPv4-mapped addresses only.
func normal(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// ranges divides the addresses of one family: range i begins at starts[i] and ends where the next
// begins.
type ranges struct {
	starts []uint128
	denied []bool // of each range
	others bool   // of the addresses before the first
}

// flatten takes rules that are sorted by address and then by length, so that each comes behind those
// that hold it.
func flatten(rules []rule, others bool) ranges {
	r := ranges{others: others}
	type open struct {
		last   uint128
		denied bool
	}
	var holders []open // the prefixes that hold the place that we have come to, the longest last
	outside := func() bool {
		if len(holders) == 0 {
			return others
		}
		return holders[len(holders)-1].denied
	}
	closeBefore := func(start uint128) {
		for len(holders) > 0 && holders[len(holders)-1].last.less(start) {
			behind, overflows := holders[len(holders)-1].last.next()
			holders = holders[:len(holders)-1]
			if !overflows {
				r.begin(behind, outside())
			}
		}
	}
	for _, rule := range rules {
		first, last := bounds(rule.prefix)
		closeBefore(first)
		r.begin(first, rule.denied)
		holders = append(holders, open{last, rule.denied})
	}
	closeBefore(uint128{^uint64(0), ^uint64(0)})
	return r
}

// begin begins a range. One that begins where the last did replaces it.
func (r *ranges) begin(start uint128, denied bool) {
	if n := len(r.starts); n > 0 && r.starts[n-1] == start {
		r.denied[n-1] = denied
		return
	}
	r.starts = append(r.starts, start)
	r.denied = append(r.denied, denied)
}

// at says whether the address a is denied. The search has no branch that depends on a, which the processor
// could not foresee.
func (r *ranges) at(a uint128) bool {
	if len(r.starts) == 0 || a.less(r.starts[0]) {
		return r.others
	}
	first := 0 // the range of a is one of the next n, from here
	for n := len(r.starts); n > 1; {
		half := n / 2
		first += half * a.notLess(r.starts[first+half])
		n -= half
	}
	return r.denied[first]
}

// bounds returns the first and the last address of p, which is masked.
func bounds(p netip.Prefix) (first, last uint128) {
	first = wide(p.Addr())
	ones := p.Bits()
	if p.Addr().Is4() {
		ones += 96
	}
	m := mask(ones)
	return first, uint128{first.hi | ^m.hi, first.lo | ^m.lo}
}
