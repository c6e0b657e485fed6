package dns

import (
	"slices"
	"strconv"
)

// database is all that the zones say.
type database struct {
	names   map[string]*name // by their wire form in lower case
	deepest int              // how many labels the longest of them has
}

// name is a name that the zones mention, or one above such a name. Each is there once, whatever case its letters
// have, so two names are equal when their pointers are.
type name struct {
	label  string  // as it is on the wire: the length byte first; "" is the root's
	parent *name   // nil is the root's
	depth  int     // how many labels it has, without the root
	zone   *zone   // whose apex it is; nil if it is none
	nodes  []*node // a zone's node, for each zone that knows it: mostly one
}

// zone is a part of the name space that is ours, without what it delegates.
type zone struct {
	apex        *name
	line        int // where it begins
	soa         *rrset
	negativeTTL uint32 // of the SOA record in negative answers
}

// node is what a zone has at a name. It may have no records: an empty non-terminal (RFC 8499) exists because
// something below it does.
type node struct {
	zone     *zone
	sets     []*rrset
	wildcard *node  // at the name *.NAME; nil if there is none
	cut      *rrset // the NS records that delegate the name and all below it; nil if it is not delegated
}

// rrset is the records of one type at one name.
type rrset struct {
	rtype    rtype
	compress bool // the names in its data (RFC 3597, section 4)
	ttl      uint32
	records  []record
	targets  []*name // whose addresses belong into the additional section, each once
	size     int     // on the wire at least, in bytes
}

// record is the data of one record: bytes, up to two names, bytes.
type record struct {
	head  string
	names [2]*name
	tail  string
}

// size is how many bytes the record takes on the wire at least, with names that are all pointers.
func (r *record) size() int {
	size := 2 + 10 + len(r.head) + len(r.tail)
	for _, n := range r.names {
		if n != nil {
			size += 2
		}
	}
	return size
}

// intern returns the name that has this wire form.
func (db *database) intern(wire []byte) *name {
	var lowered [maxName]byte
	key := lowered[:len(wire)]
	lowerAll(key, wire)
	if n := db.names[string(key)]; n != nil {
		return n
	}
	made := string(wire)
	if string(key) == made { // which spares memory
		return db.make(made, made)
	}
	return db.make(made, string(key))
}

// make makes a name, and those above it that are not there. The key is the wire form in lower case.
func (db *database) make(wire, key string) *name {
	n := new(name)
	if size := 1 + int(wire[0]); size > 1 {
		parent := db.names[key[size:]]
		if parent == nil {
			parent = db.make(wire[size:], key[size:])
		}
		*n = name{label: wire[:size], parent: parent, depth: parent.depth + 1}
	}
	db.names[key] = n
	db.deepest = max(db.deepest, n.depth)
	return n
}

// find returns the longest known name that ends the name in the question, and whether that is all of it.
func (db *database) find(q *query) (n *name, exact bool) {
	for i := max(0, q.depth-db.deepest); i <= q.depth; i++ {
		if n := db.names[string(q.name[q.labels[i]:q.size])]; n != nil {
			return n, i == 0
		}
	}
	return nil, false
}

// enclosing returns the zone that n is in, by the longest apex; nil if it is in none.
func (n *name) enclosing() *zone {
	for ; n != nil; n = n.parent {
		if n.zone != nil {
			return n.zone
		}
	}
	return nil
}

// in says whether n is below, or equal to, another name.
func (n *name) in(above *name) bool {
	for ; n != nil; n = n.parent {
		if n == above {
			return true
		}
	}
	return false
}

// node returns what z has at n; nil if n does not exist there.
func (n *name) node(z *zone) *node {
	for _, node := range n.nodes {
		if node.zone == z {
			return node
		}
	}
	return nil
}

// grow returns z's node at n, which it makes with all those above it.
func (n *name) grow(z *zone) *node {
	if node := n.node(z); node != nil {
		return node
	}
	made := &node{zone: z}
	n.nodes = append(n.nodes, made)
	if n != z.apex {
		if above := n.parent.grow(z); n.isWildcard() {
			above.wildcard = made
		}
	}
	return made
}

func (n *name) isWildcard() bool { return n.label == "\x01*" }

// String is n as a zone file has it.
func (n *name) String() string {
	if n.parent == nil {
		return "."
	}
	var b []byte
	for ; n.parent != nil; n = n.parent {
		for _, c := range []byte(n.label[1:]) {
			switch {
			case c <= ' ' || c > '~':
				b = append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			case c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' || c == '$':
				b = append(b, '\\', c)
			default:
				b = append(b, c)
			}
		}
		b = append(b, '.')
	}
	return string(b)
}

// set returns the records of a type; nil if there are none.
func (n *node) set(t rtype) *rrset {
	for _, s := range n.sets {
		if s.rtype == t {
			return s
		}
	}
	return nil
}

// add puts a record into z. It returns what is wrong with that, or "".
func (z *zone) add(owner *name, form *form, ttl uint32, r record) (wrong string) {
	if !owner.in(z.apex) {
		return "the name " + owner.String() + " is not in the zone " + z.apex.String() + ", which begins above"
	}
	if form.rtype == typeNS && owner.isWildcard() {
		return "the wildcard " + owner.String() + " cannot be delegated (RFC 4592, section 4.2)"
	}
	n := owner.grow(z)
	if other := n.conflict(form.rtype); other != nil {
		return owner.String() + " has a CNAME record, and with that it can have no other (RFC 2181, section 10.1)"
	}
	s := n.set(form.rtype)
	if s == nil {
		s = &rrset{rtype: form.rtype, compress: form.compress, ttl: ttl}
		n.sets = append(n.sets, s)
	}
	s.ttl = min(s.ttl, ttl) // they must be equal; the lowest is what resolvers take (RFC 2181, section 5.2)
	if slices.Contains(s.records, r) {
		return "" // a set has each record once (RFC 2181, section 5)
	}
	switch {
	case len(s.records) == 0:
	case form.rtype == typeCNAME:
		return owner.String() + " has another CNAME record already (RFC 2181, section 10.1)"
	case form.rtype == typeSOA:
		return "the zone " + owner.String() + " has another SOA record already"
	}
	if s.size += r.size(); headerSize+s.size > maxSize {
		return "the " + form.name + " records of " + owner.String() + " take more than the " + strconv.Itoa(maxSize) +
			" bytes that an answer has at most"
	}
	s.records = append(s.records, r)
	if form.addresses && !slices.Contains(s.targets, r.names[0]) {
		s.targets = append(s.targets, r.names[0])
	}
	switch {
	case form.rtype == typeSOA:
		z.soa = s
	case form.rtype == typeNS && owner != z.apex:
		n.cut = s
	}
	return ""
}

// conflict returns the records that cannot stand beside those of a type: an alias is nothing else.
func (n *node) conflict(t rtype) *rrset {
	for _, s := range n.sets {
		if s.rtype != t && (s.rtype == typeCNAME || t == typeCNAME) {
			return s
		}
	}
	return nil
}
