package native

import (
	"net"
	"slices"
	"strconv"
)

// zones remembers the names of interfaces, for which the system takes its time. It belongs to one
// goroutine.
type zones struct{ known []zone }

type zone struct {
	index uint32
	name  string
}

// maxZones bounds what is remembered where interfaces come and go.
const maxZones = 256

// name returns the zone of the interface with that index, which is its number where it has no name.
func (z *zones) name(index uint32) string {
	if i := slices.IndexFunc(z.known, func(k zone) bool { return k.index == index }); i >= 0 {
		return z.known[i].name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	z.remember(zone{index, name})
	return name
}

// index returns the index of the interface that a zone stands for, 0 where there is none.
func (z *zones) index(name string) uint32 {
	if i := slices.IndexFunc(z.known, func(k zone) bool { return k.name == name }); i >= 0 {
		return z.known[i].index
	}
	var index uint32
	if i, err := net.InterfaceByName(name); err == nil {
		index = uint32(i.Index)
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		index = uint32(n)
	} else {
		return 0
	}
	z.remember(zone{index, name})
	return index
}

func (z *zones) remember(k zone) {
	if len(z.known) >= maxZones {
		z.known = z.known[:0]
	}
	z.known = append(z.known, k)
}
