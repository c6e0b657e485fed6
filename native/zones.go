package native

import (
	"net"
	"slices"
	"strconv"
	"sync/atomic"
)

// zones remembers the names of interfaces, for which the system takes its time. Any goroutine may use it: who
// receives names the zone of a peer, and who sends, perhaps meanwhile, finds its index.
type zones struct{ known atomic.Pointer[[]zone] } // a slice is never changed, but replaced

type zone struct {
	index uint32
	name  string
}

// maxZones bounds what is remembered where interfaces come and go.
const maxZones = 256

// all returns what is remembered.
func (z *zones) all() []zone {
	if known := z.known.Load(); known != nil {
		return *known
	}
	return nil
}

// name returns the zone of the interface with that index, which is its number where it has no name.
func (z *zones) name(index uint32) string {
	known := z.all()
	if i := slices.IndexFunc(known, func(k zone) bool { return k.index == index }); i >= 0 {
		return known[i].name
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
	known := z.all()
	if i := slices.IndexFunc(known, func(k zone) bool { return k.name == name }); i >= 0 {
		return known[i].index
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

// remember takes k in. An interface that was removed and made again has its old name and a new index: what was
// known of either is forgotten, so that answers do not go to the one that is gone.
func (z *zones) remember(k zone) {
	for {
		was := z.known.Load()
		var known []zone
		if was != nil && len(*was) < maxZones {
			known = slices.DeleteFunc(slices.Clone(*was), func(old zone) bool {
				return old.index == k.index || old.name == k.name
			})
		}
		known = append(known, k)
		if z.known.CompareAndSwap(was, &known) {
			return
		}
	}
}
