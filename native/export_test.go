package native

// What the tests need from behind the public doors.

import (
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// Socket is what a Conn needs of a *net.UDPConn.
type Socket = socket

// NewConn returns a Conn on a socket that a test made.
func NewConn(s Socket, local netip.AddrPort) core.Conn { return newPortable(s, local, false) }

// ShrinkBuffer gives c a receive buffer for datagrams of at most size bytes.
func ShrinkBuffer(c core.Conn, size int) { c.(interface{ shrink(int) }).shrink(size) }

func (c *portable) shrink(size int) { c.data = make([]byte, size+1) }

// Told says whether c is told the address that each datagram was sent to.
func Told(c core.Conn) bool { return c.(interface{ isTold() bool }).isTold() }

func (c *portable) isTold() bool { return c.told }

// ListenSplit listens on a wildcard address as on systems that need a socket for each family.
func ListenSplit(port uint16) ([]core.Conn, error) { return listenSplit(port, Options{}) }

// Waits returns the waits that o leads to.
func Waits(o ClientOptions) ([]time.Duration, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	var waits []time.Duration
	for wait := o.FirstWait; len(waits) < o.Tries; wait = o.longer(wait) {
		waits = append(waits, o.jittered(wait))
	}
	return waits, nil
}

// Broadcast returns the broadcast address of the network of addr/bits.
func Broadcast(addr netip.Addr, bits int) (netip.Addr, bool) {
	return localPrefix{addr, bits}.broadcast()
}

// IsBroadcast says whether ip is a broadcast address of this host.
func IsBroadcast(ip netip.Addr) bool { return new(broadcasts).has(ip, time.Now()) }

// Zones are the names and the indexes of interfaces.
type Zones struct{ z zones }

func (z *Zones) Name(index uint32) string    { return z.z.name(index) }
func (z *Zones) Index(name string) uint32    { return z.z.index(name) }
func (z *Zones) Known() int                  { return len(z.z.all()) }
func (z *Zones) Remember(i uint32, n string) { z.z.remember(zone{i, n}) }
