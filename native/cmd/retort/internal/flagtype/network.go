package flagtype

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Prefixes is a list of networks, separated by commas: 192.0.2.0/24,2001:db8::/32. An address alone is the
// network of that address. A flag that is given again adds to it.
type Prefixes []netip.Prefix

// Set adds the networks of a list. What is behind the prefix of an address has no meaning, and is cleared.
func (p *Prefixes) Set(text string) error {
	var more Prefixes
	for one := range strings.SplitSeq(text, ",") {
		prefix, err := parsePrefix(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		more = append(more, prefix)
	}
	*p = append(*p, more...)
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%q is no network, such as 192.0.2.0/24 or 2001:db8::/32", text)
	}
	return prefix.Masked(), nil
}

func (p Prefixes) String() string { return join(p) }

// Type is what help shows for the value.
func (Prefixes) Type() string { return "NETWORKS" }

// Ports is a list of UDP ports, separated by commas. A flag that is given again adds to it.
type Ports []uint16

// Set adds the ports of a list, which are 1 to 65535.
func (p *Ports) Set(text string) error {
	var more Ports
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(strings.TrimSpace(one), 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port from 1 to 65535", one)
		}
		more = append(more, uint16(n))
	}
	*p = append(*p, more...)
	return nil
}

func (p Ports) String() string { return join(p) }

// Type is what help shows for the value.
func (Ports) Type() string { return "PORTS" }

func join[T any](list []T) string {
	var texts []string
	for _, one := range list {
		texts = append(texts, fmt.Sprint(one))
	}
	return strings.Join(texts, ",")
}
