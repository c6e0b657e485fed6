package dns_test

import (
	"fmt"
	"net/netip"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/dns"

	"golang.org/x/net/dns/dnsmessage"
)

func Example() {
	h, err := dns.New([]byte(`
$ORIGIN example.com.
@    1h SOA ns1 hostmaster 1 2h 30m 2w 5m
        NS  ns1
ns1     A   192.0.2.53
www     A   192.0.2.80
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	query := []byte("\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x03www\x07example\x03com\x00" + "\x00\x01\x00\x01")
	answer, _ := h.Reply(make([]byte, 0, 512), &core.Datagram{Data: query})

	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range m.Answers {
		fmt.Println(r.Header.Name, r.Header.TTL, netip.AddrFrom4(r.Body.(*dnsmessage.AResource).A))
	}
	// Output: www.example.com. 3600 192.0.2.80
}

func ExampleError() {
	_, err := dns.New([]byte("$ORIGIN example.com.\n@ SOA ns1 hostmaster 1 2h 30m 2w 5m\n  NS ns1\nns1 A 192.0.2.256\n"))
	fmt.Println(err)
	// Output: zone file, line 4: "192.0.2.256" is not an IPv4 address
}
