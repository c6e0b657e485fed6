package native

// How the "host:port" of a user becomes an address.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// splitAddress splits "host:port" and makes the port a number.
func splitAddress(ctx context.Context, addr string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(addr)
	switch {
	case err != nil && strings.Count(addr, ":") > 1 && !strings.Contains(addr, "["):
		return "", 0, errors.New("an IPv6 address stands in brackets before its port, as in [::1]:1060")
	case err != nil && !strings.Contains(addr, ":"), err == nil && service == "":
		return "", 0, errors.New("there is no port: write host:port, as in 127.0.0.1:1060")
	case err != nil:
		return "", 0, errors.New("this is no host:port, as in 127.0.0.1:1060 or [::1]:1060")
	}
	port, err = parsePort(ctx, service)
	return host, port, err
}

func parsePort(ctx context.Context, service string) (uint16, error) {
	n, err := strconv.Atoi(service)
	switch {
	case err == nil && 0 <= n && n <= 65535:
		return uint16(n), nil
	case err == nil, errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("port %s is out of range 0 to 65535", service)
	}
	n, err = net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return 0, fmt.Errorf("port %q is neither a number nor the name of a UDP service", service)
	}
	return uint16(n), nil
}

// resolveHost returns the address that host is or stands for, IPv4 first, in the one spelling that
// compares equal.
func resolveHost(ctx context.Context, host string) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return scoped(ip)
	}
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil // RFC 6761, section 6.3: asks nobody
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(ips) == 0 {
		return netip.Addr{}, fmt.Errorf("host %q has no address", host)
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			return ip, nil
		}
	}
	return scoped(ips[0])
}

// scoped returns ip in one spelling: IPv4 as such; the zone by its interface's name on addresses that
// several interfaces can have, and nowhere else.
func scoped(ip netip.Addr) (netip.Addr, error) {
	ip = ip.Unmap()
	if !needsZone(ip) {
		return ip.WithZone(""), nil
	}
	if ip.Zone() == "" {
		return ip, fmt.Errorf("%v is an address on every link: say which interface, as in %v%%eth0", ip, ip)
	}
	name, err := interfaceName(ip.Zone())
	if err != nil {
		return ip, err
	}
	return ip.WithZone(name), nil
}

// needsZone says whether ip means something on one link only (RFC 4007).
func needsZone(ip netip.Addr) bool {
	return ip.Is6() && !ip.Is4In6() &&
		(ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast())
}

// interfaceName returns the name of the interface that a zone, a name or a number, stands for.
func interfaceName(zone string) (string, error) {
	if _, err := net.InterfaceByName(zone); err == nil {
		return zone, nil
	}
	if index, err := strconv.Atoi(zone); err == nil {
		if i, err := net.InterfaceByIndex(index); err == nil {
			return i.Name, nil
		}
	}
	return "", fmt.Errorf("there is no interface %q", zone)
}

// networkOf returns the name that package net has for UDP in the family of ip.
func networkOf(ip netip.Addr) string {
	if ip.Is4() {
		return "udp4"
	}
	return "udp6"
}
