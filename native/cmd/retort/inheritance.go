package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/systemd"
)

// inheritance are the sockets that a process was started with, and that no listener has yet.
type inheritance []heirloom

// heirloom is one of them.
type heirloom struct {
	*native.Inherited
	listener string // of the predecessor; "": or of a manager, which does not know
	unit     string // of the manager
}

// inherit takes the sockets of a predecessor, or of a service manager.
func (l *life) inherit() error {
	for _, s := range l.before.Sockets() {
		if purpose, ok := purposeOf(s.Listener); ok {
			l.streams.inherit(purpose, s.Descriptor)
			continue
		}
		socket, err := native.Inherit(s.Descriptor)
		if err != nil {
			return fmt.Errorf("the predecessor's socket: %w", err)
		}
		l.inherited = append(l.inherited, heirloom{Inherited: socket, listener: s.Listener})
	}
	sockets, err := systemd.Sockets(os.LookupEnv)
	if err != nil {
		return configError(err)
	}
	for _, s := range sockets {
		socket, err := native.Inherit(s.Descriptor)
		if err != nil {
			return configError(fmt.Errorf("a socket of the service manager (%s): %w: ListenDatagram= and an address makes one",
				s.Name, err))
		}
		l.inherited = append(l.inherited, heirloom{Inherited: socket, unit: s.Name})
	}
	return nil
}

// lend has conns find the sockets of listeners that serve, for those that are to take their place, until it is told
// to stop. Any says whether there are such: some systems have none.
func (l *life) lend(listeners []*engine.Listener) (stop func(), any bool, err error) {
	sockets, err := duplicates(listeners)
	lent := make(map[*native.Inherited]bool)
	stop = func() {
		l.inherited = slices.DeleteFunc(l.inherited, func(h heirloom) bool {
			if lent[h.Inherited] {
				_ = h.Close() // the listener has its own
			}
			return lent[h.Inherited]
		})
	}
	for _, s := range sockets {
		socket, inheritErr := native.Inherit(s.Descriptor)
		if inheritErr != nil {
			err = errors.Join(err, inheritErr)
			continue
		}
		lent[socket] = true
		l.inherited = append(l.inherited, heirloom{Inherited: socket, listener: s.Listener})
	}
	if err != nil {
		stop()
	}
	return stop, len(lent) > 0, err
}

func (in *inheritance) close() {
	for _, h := range *in {
		_ = h.Close() // it was not served
	}
	*in = nil
}

// conns returns the Conns of a listener that was inherited, as far as it was; nil: nothing of it was. What its
// addresses lack is opened.
func (l *life) conns(name string, addrs []string, o native.Options) (conns []core.Conn, err error) {
	if len(l.inherited) == 0 {
		return nil, nil
	}
	found := make([][]*native.Inherited, len(addrs))
	any := false
	for i, a := range addrs {
		if found[i], err = l.inherited.claim(name, a); err != nil {
			return nil, err
		}
		any = any || len(found[i]) > 0
	}
	if !any {
		return nil, nil
	}
	for i, a := range addrs {
		var more []core.Conn
		switch n := len(found[i]); {
		case err != nil:
			for _, s := range found[i] {
				err = errors.Join(err, s.Close())
			}
		case n == 0:
			more, err = native.Listen(a, o)
		default:
			if o.Workers > 0 && o.Workers != n {
				l.log.Warn("a listener has as many workers as sockets that it inherits, not as many as it was told to have",
					"address", a, "sockets", n, "told", o.Workers)
			}
			more, err = native.Adopt(found[i], o)
		}
		conns = append(conns, more...)
	}
	if err != nil {
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	return conns, nil
}

// claim takes the sockets of an address of a listener.
func (in *inheritance) claim(listener, addr string) (sockets []*native.Inherited, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.LookupPort("udp", service)
	if err != nil {
		return nil, err
	}
	ips, err := addressesOf(host)
	if err != nil {
		return nil, err
	}
	*in = slices.DeleteFunc(*in, func(h heirloom) bool {
		at := h.Addr()
		if !slices.Contains(ips, at.Addr()) {
			return false
		}
		if port == 0 && h.unit == "" && h.listener == listener {
			port = int(at.Port()) // the one that the predecessor was given; the other workers have it, too
		}
		if int(at.Port()) != port {
			return false
		}
		sockets = append(sockets, h.Inherited)
		return true
	})
	return sockets, nil
}

// addressesOf returns what a host may be bound to.
func addressesOf(host string) ([]netip.Addr, error) {
	switch host {
	case "":
		return []netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}, nil
	case "::": // systems that need a socket for each family have two
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err
}

// settle decides on sockets that no listener has claimed when all are open. With a directory of handlers one may
// claim them later.
func (l *life) settle(later bool) error {
	for _, h := range l.inherited {
		switch {
		case later:
			l.log.Warn("a socket that was inherited waits for a handler that listens there", "address", h.Addr())
		case h.unit != "":
			return configError(fmt.Errorf("the service manager passes a socket at %v (%s), and no listener has that address", h.Addr(), h.unit))
		default:
			l.log.Warn("a socket of the predecessor is not served any more", "address", h.Addr(), "name", h.listener)
		}
	}
	if !later {
		l.inherited.close()
	}
	return nil
}
