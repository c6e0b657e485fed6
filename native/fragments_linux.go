package native

import "golang.org/x/sys/unix"

// letRoutersCut leaves the "don't fragment" bit of IPv4 out of what the socket sends, as other systems do. Linux sets it
// to find out the path MTU (RFC 1191): the first datagram that is too large for a link on the way is lost then, and who
// asks once has no reply. In return whoever forges the complaint of a router has the kernel cut replies, to be joined
// with pieces of his own; with IP_PMTUDISC_OMIT it does not listen to such (ip(7)).
//
// Over IPv6 routers cut nothing (RFC 8200, section 5), and the default stays: the kernel cuts what is larger than the path
// takes, once a router has told. Cutting all at 1,280 bytes would save that first loss, and have the many networks that
// drop fragments lose what fits (RFC 7872).
//
// A kernel before 3.15 lacks the option; the one before it then does as much, but for forged complaints. One that lacks
// both serves as it is.
func letRoutersCut(fd uintptr) error {
	if unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT) != nil {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT) // as said above
	}
	return nil
}
