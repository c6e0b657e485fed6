// Package netns gives tests two hosts with a link between them, on one machine: two network namespaces of Linux
// (network_namespaces(7)) that are joined by a pair of virtual interfaces (veth(4)), each with its addresses,
// its routes, its MTU and its firewall.
//
//	a, b := netns.New(t)
//	b.Run("ip", "link", "set", b.Interface, "mtu", "1400")
//	b.Go(func() { serve(t, "192.0.2.2:1060") })
//	a.Do(func() { ask(t, "192.0.2.2:1060") })
//
// NewRouted has a router in a third namespace between them, with a link to each.
//
// It needs Linux, a root and the command ip of iproute2; the test is skipped where one is missing. Nothing is left
// behind: a namespace ends with the test, whatever that did.
package netns
