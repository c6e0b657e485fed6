package dns

// maxAliases is how many CNAME records an answer follows.
const maxAliases = 16

// anyTTL is for how long, in seconds, a client need not ask ANY again.
const anyTTL = 3600

// minimalAny is what ANY is answered with (RFC 8482, section 4.2).
var minimalAny = rrset{rtype: typeHINFO, records: []record{{head: "\x07RFC8482\x00"}}}

// answer fills in a response whose question is there already.
func (db *database) answer(m *message, q *query) {
	switch {
	case q.rtype == typeAXFR, q.rtype == typeIXFR: // zones are transferred by TCP, to those that one knows
		m.code = refused
		return
	case q.rtype.isMeta() && q.rtype != typeANY:
		m.code = notImplemented
		return
	case q.class != classIN:
		m.code = refused
		return
	}
	n, exact := db.find(q)
	if n == nil || n.enclosing() == nil {
		m.code = refused
		return
	}
	for at, i := n, q.depth-n.depth; at.parent != nil; at, i = at.parent, i+1 {
		m.know(at, headerSize+int(q.labels[i]))
	}
	if !m.resolve(n, exact, q.rtype) {
		m.truncate()
	}
}

// resolve answers a question of type t for the name n, or for one below n that the zones do not mention if it is
// not exact. It follows aliases, and returns false when there is no room for what must be said.
func (m *message) resolve(n *name, exact bool, t rtype) bool {
	var owner *name            // nil: the name in the question
	var seen [maxAliases]*name // whose aliases have been followed; nil for a name that is not known
	for hop := range maxAliases {
		z := n.zoneFor(t, exact)
		if z == nil {
			return true // an alias for something that is not ours
		}
		if cut, set := n.cut(z); set != nil && !(t == typeDS && exact && cut == n) { // RFC 4035, section 3.1.4.1
			return m.refer(z, cut, set)
		}
		m.authoritative = true
		node := n.match(z, exact)
		if node == nil {
			m.code = nameError
			return m.negative(z)
		}
		alias := node.set(typeCNAME)
		switch set := node.set(t); {
		case set != nil:
			return m.positive(z, owner, set)
		case t == typeANY && alias == nil && len(node.sets) > 0:
			return m.add(answers, owner, &minimalAny, anyTTL)
		case alias == nil:
			return m.negative(z) // NODATA
		}
		if !m.add(answers, owner, alias, alias.ttl) {
			return false
		}
		if t == typeANY {
			return true
		}
		if exact {
			seen[hop] = n
		}
		n, exact = alias.records[0].names[0], true
		owner = n
		for _, s := range seen[:hop+1] {
			if s == n {
				return true // in a circle
			}
		}
	}
	return true
}

// zoneFor returns the zone that answers questions of type t for n: that which n is in, but for DS at the apex of a
// zone whose parent is here, too. Those records are the parent's (RFC 4035, section 3.1.4.1).
func (n *name) zoneFor(t rtype, exact bool) *zone {
	z := n.enclosing()
	if t != typeDS || !exact || z == nil || z.apex != n || n.parent == nil {
		return z
	}
	if above := n.parent.enclosing(); above != nil {
		if node := n.node(above); node != nil && node.cut != nil {
			return above
		}
	}
	return z
}

// cut returns where, at or above n, z delegates it: the name that is nearest to the apex, since what is delegated
// there is z's no more. A nil set says that it does not.
func (n *name) cut(z *zone) (at *name, set *rrset) {
	for ; n != z.apex; n = n.parent {
		if node := n.node(z); node != nil && node.cut != nil {
			at, set = n, node.cut
		}
	}
	return at, set
}

// match returns the node that answers for n, or for a name below n that is not known: its own, or the wildcard
// below the closest encloser (RFC 4592, section 3.3.1); nil if there is neither.
func (n *name) match(z *zone, exact bool) *node {
	own := n.node(z)
	if exact && own != nil {
		return own
	}
	for own == nil { // ends at the apex
		n = n.parent
		own = n.node(z)
	}
	return own.wildcard
}

// positive adds the set that was asked for and, as far as there is room, the addresses of what it names.
func (m *message) positive(z *zone, owner *name, set *rrset) bool {
	if !m.add(answers, owner, set, set.ttl) {
		return false
	}
	for _, target := range set.targets {
		m.addresses(z, target)
	}
	return true
}

// addresses adds the addresses that z has of a name. It returns false if there was no room for all of them.
func (m *message) addresses(z *zone, of *name) bool {
	all := true
	if node := of.node(z); node != nil {
		for _, t := range []rtype{typeA, typeAAAA} {
			if set := node.set(t); set != nil {
				all = m.add(additional, of, set, set.ttl) && all
			}
		}
	}
	return all
}

// negative adds the SOA record, whose TTL says for how long there is nothing (RFC 2308, section 3).
func (m *message) negative(z *zone) bool {
	return m.add(authority, z.apex, z.soa, z.negativeTTL)
}

// refer adds the servers of a delegated zone. Nobody but us can tell the addresses of those that are in it, so
// they must be there; others are added as far as there is room (RFC 9471).
func (m *message) refer(z *zone, cut *name, set *rrset) bool {
	if !m.add(authority, cut, set, set.ttl) {
		return false
	}
	for _, target := range set.targets {
		if target.in(cut) && !m.addresses(z, target) {
			return false
		}
	}
	for _, target := range set.targets {
		if !target.in(cut) {
			m.addresses(z, target)
		}
	}
	return true
}
