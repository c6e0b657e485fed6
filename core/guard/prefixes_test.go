package guard_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

func prefixesOf(t testing.TB, list ...string) (all []netip.Prefix) {
	t.Helper()
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func TestDenyAndAllow(t *testing.T) {
	for _, tt := range []struct {
		name        string
		deny, allow []string
		admitted    []string
		denied      []string
	}{
		{"neither", nil, nil, []string{"10.0.0.1", "2001:db8::1"}, nil},
		{"deny", []string{"10.0.0.0/8", "2001:db8::/32"}, nil,
			[]string{"9.255.255.255", "11.0.0.0", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
			[]string{"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}},
		{"allow", nil, []string{"10.0.0.0/8"},
			[]string{"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"},
			[]string{"9.255.255.255", "11.0.0.0", "2001:db8::", "::a00:1"}},
		{"the longest decides", []string{"10.1.0.0/16", "10.1.2.3/32"}, []string{"10.0.0.0/8", "10.1.2.0/24"},
			[]string{"10.0.0.1", "10.1.2.2", "10.1.2.4", "10.2.0.0", "10.255.255.255"},
			[]string{"10.1.1.255", "10.1.2.3", "10.1.3.0", "10.1.255.255", "11.0.0.0"}},
		{"everything but", []string{"0.0.0.0/0", "::/0"}, []string{"192.0.2.0/24", "2001:db8::/32"},
			[]string{"192.0.2.0", "192.0.2.255", "2001:db8::1"},
			[]string{"1.0.0.0", "192.0.1.255", "192.0.3.0", "223.255.255.255", "1::", "fe80::1"}},
		{"IPv4-mapped", []string{"::ffff:10.0.0.0/104"}, nil, []string{"11.0.0.0"}, []string{"10.1.2.3", "::ffff:10.1.2.3"}},
		{"all IPv6 is no IPv4", []string{"::/0"}, nil, []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"2001:db8::1"}},
		{"a zone", []string{"fe80::/10"}, nil, nil, []string{"fe80::1%eth0"}},
		{"host bits", []string{"10.1.2.3/8"}, nil, []string{"11.0.0.0"}, []string{"10.9.9.9"}},
		{"ends that meet", []string{"10.0.0.0/9", "10.128.0.0/9"}, []string{"10.127.255.255/32", "10.64.0.0/10"},
			[]string{"10.127.255.255", "10.64.0.0", "10.127.0.0"},
			[]string{"10.63.255.255", "10.128.0.0", "10.255.255.255", "11.0.0.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &guard.Policy{Deny: prefixesOf(t, tt.deny...), Allow: prefixesOf(t, tt.allow...)}
			w := newWorker(t, p, silent, public.String())
			verdict := func(addr string) guard.Verdict {
				_, v := w.Admit(&core.Datagram{From: netip.AddrPortFrom(netip.MustParseAddr(addr), 40000), To: public}, false)
				return v
			}
			for _, addr := range tt.admitted {
				if v := verdict(addr); v != guard.Admit {
					t.Errorf("%s: %v", addr, v)
				}
			}
			for _, addr := range tt.denied {
				if v := verdict(addr); v != guard.Denied {
					t.Errorf("%s: %v", addr, v)
				}
			}
		})
	}
}

// longest says what the longest of the prefixes that hold addr does, by trying them all.
func longest(p *guard.Policy, addr netip.Addr) guard.Verdict {
	bits, verdict := -1, guard.Admit
	if len(p.Allow) > 0 {
		verdict = guard.Denied
	}
	try := func(list []netip.Prefix, says guard.Verdict) {
		for _, prefix := range list {
			if prefix.Contains(addr) && prefix.Bits() > bits {
				bits, verdict = prefix.Bits(), says
			}
		}
	}
	try(p.Deny, guard.Denied)
	try(p.Allow, guard.Admit)
	return verdict
}

// FuzzPrefixes holds the look-up to a plain search. The data are prefixes of 6 bytes: what it does, how long
// it is, and four bytes of address. Prefixes lie close together, so that they nest and meet.
func FuzzPrefixes(f *testing.F) {
	f.Add([]byte("\x00\x08\x0a\x00\x00\x00\x01\x10\x0a\x01\x00\x00"), uint32(0x0a010203))
	f.Add([]byte("\x02\x20\x20\x00\x00\x00\x03\x40\x20\x00\x00\x01\x02\x41\x20\x00\x00\x01"), uint32(0x20000001))
	rng := rand.New(rand.NewPCG(9, 10))
	for range 50 {
		data := make([]byte, 6*rng.IntN(200))
		for i := range data {
			data[i] = byte(rng.Uint32())
			if i%6 == 2 {
				data[i] = 0x20 | data[i]&1
			}
		}
		f.Add(data, rng.Uint32())
	}
	f.Fuzz(func(t *testing.T, data []byte, salt uint32) {
		p := &guard.Policy{RateLimit: guard.Off, LoopGuard: guard.Off, Acknowledge: true}
		addrs := []netip.Addr{}
		seen := make(map[netip.Prefix]bool)
		for ; len(data) >= 6; data = data[6:] {
			prefix := prefixFrom(data)
			if seen[prefix] {
				continue
			}
			seen[prefix] = true
			if data[0]&1 == 0 {
				p.Deny = append(p.Deny, prefix)
			} else {
				p.Allow = append(p.Allow, prefix)
			}
			first := prefix.Addr()
			last := lastOf(prefix)
			addrs = append(addrs, first, first.Prev(), last, last.Next())
		}
		var raw [16]byte
		binary.BigEndian.PutUint32(raw[:], salt)
		addrs = append(addrs, netip.AddrFrom4([4]byte(raw[:4])), netip.AddrFrom16(raw))
		w := newWorker(t, p, silent, public.String())
		for _, addr := range addrs {
			if !addr.IsValid() {
				continue // before the first or behind the last
			}
			_, v := w.Admit(&core.Datagram{From: netip.AddrPortFrom(addr, 40000), To: public}, false)
			if v != guard.Admit && v != guard.Denied {
				continue // never answered anyway
			}
			if want := longest(p, addr.Unmap()); v != want {
				t.Errorf("%v: %v, want %v\ndeny %v\nallow %v", addr, v, want, p.Deny, p.Allow)
			}
		}
	})
}

func prefixFrom(data []byte) netip.Prefix {
	var addr netip.Addr
	if data[0]&2 == 0 {
		addr = netip.AddrFrom4([4]byte(data[2:6]))
	} else {
		var raw [16]byte
		copy(raw[:2], data[2:4])
		copy(raw[7:9], data[4:6])
		copy(raw[14:], data[4:6])
		addr = netip.AddrFrom16(raw)
	}
	return netip.PrefixFrom(addr, int(data[1])%(addr.BitLen()+1)).Masked()
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < 8*len(raw); bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}
