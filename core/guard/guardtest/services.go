package guardtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Service is somebody else's server, which answers at once.
type Service struct {
	Name string
	Port uint16 // its own

	// New returns what answers for one such server: a reply to data, or nil.
	New func(rng *rand.Rand) func(now time.Time, data []byte) []byte
}

// Services are those that a forged datagram could set upon a server of ours, or that one upon them.
func Services() []Service {
	stateless := func(answer func(data []byte) []byte) func(*rand.Rand) func(time.Time, []byte) []byte {
		return func(*rand.Rand) func(time.Time, []byte) []byte {
			return func(_ time.Time, data []byte) []byte { return answer(data) }
		}
	}
	return []Service{
		{"listing", 1060, stateless(listing)},
		{"echo", 7, stateless(func(data []byte) []byte { return data })},
		{"daytime", 13, daytime},
		{"quote of the day", 17, stateless(func([]byte) []byte { return []byte("A stitch in time saves nine.\r\n") })},
		{"other quotes", 17, quotes},
		{"chargen", 19, chargen},
		{"chargen by the line", 19, chargenLines},
		{"time", 37, timeOfDay},
		{"dns", 53, stateless(func(data []byte) []byte { return dns(data, false) })},
		{"rude dns", 53, stateless(func(data []byte) []byte { return dns(data, true) })},
		{"ntp", 123, stateless(func(data []byte) []byte { return ntp(data, false) })},
		{"rude ntp", 123, stateless(func(data []byte) []byte { return ntp(data, true) })},
	}
}

// listing answers as the teaching listing does, which ends at a byte that is not ASCII.
func listing(data []byte) []byte {
	if bytes.ContainsFunc(data, func(r rune) bool { return r >= 0x80 }) {
		return nil
	}
	return fmt.Appendf(nil, "Your data was %d bytes long", len(data))
}

// daytime answers with the time as text (RFC 867). Each server has another day of the week.
func daytime(rng *rand.Rand) func(time.Time, []byte) []byte {
	ahead := rng.IntN(7)
	return func(now time.Time, _ []byte) []byte {
		return now.AddDate(0, 0, ahead).AppendFormat(nil, "Monday, January 2, 2006 15:04:05-MST\r\n")
	}
}

// timeOfDay answers with the seconds since 1900 (RFC 868).
func timeOfDay(*rand.Rand) func(time.Time, []byte) []byte {
	return func(now time.Time, _ []byte) []byte {
		s := uint32(now.Unix() + 2_208_988_800)
		return []byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)}
	}
}

// quotes answers with another line each time (RFC 865). It begins as a message of CoAP does.
func quotes(*rand.Rand) func(time.Time, []byte) []byte {
	line := 0
	return func(time.Time, []byte) []byte {
		line++
		return fmt.Appendf(nil, "A line, number %d\r\n", line)
	}
}

// chargen answers with up to 512 characters (RFC 864).
func chargen(rng *rand.Rand) func(time.Time, []byte) []byte {
	return func(time.Time, []byte) []byte {
		text := make([]byte, rng.IntN(513))
		for i := range text {
			text[i] = byte(' ' + (i+len(text))%95)
		}
		return text
	}
}

// chargenLines answers with a line of the popular pattern, the next each time, as the BSD's inetd does.
func chargenLines(*rand.Rand) func(time.Time, []byte) []byte {
	line := 0
	return func(time.Time, []byte) []byte {
		text := make([]byte, 72, 74)
		for i := range text {
			text[i] = byte(' ' + (i+line)%95)
		}
		line++
		return append(text, "\r\n"...)
	}
}

// dns answers as a name server does: a question that it does not understand with FORMERR (RFC 1035). A rude one
// takes answers for questions.
func dns(data []byte, rude bool) []byte {
	if len(data) < 12 || data[2]&0x80 != 0 && !rude {
		return nil
	}
	answer := make([]byte, 12)
	copy(answer, data[:3])
	answer[2] |= 0x80
	answer[3] = 1
	return answer
}

// ntp answers as a time server does (RFC 5905). A rude one answers all modes.
func ntp(data []byte, rude bool) []byte {
	if !rude && (len(data) < 48 || data[0]&7 != 3) {
		return nil
	}
	answer := make([]byte, 48)
	answer[0] = 0x24
	copy(answer[24:32], data)
	return answer
}

// Serve puts a service on the network.
func (n *Network) Serve(addr netip.AddrPort, s Service) {
	n.ends[addr] = &running{addr, s.New(n.rng)}
}

// running is a service at work.
type running struct {
	addr   netip.AddrPort
	answer func(now time.Time, data []byte) []byte
}

func (r *running) receive(n *Network, from netip.AddrPort, data []byte) {
	if reply := r.answer(Epoch.Add(n.now), data); reply != nil {
		n.Send(r.addr, from, reply)
	}
}

func (r *running) alarm(*Network, int) {}
