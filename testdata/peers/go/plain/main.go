// Command plain answers one datagram at a time, through package net alone.
package main

import "github.com/retort-udp/retort/testdata/peers/go/internal/answer"

func main() {
	c := answer.Listen()
	request := make([]byte, 65535)
	reply := make([]byte, 0, 64)
	for {
		n, peer, err := c.ReadFromUDPAddrPort(request)
		if err != nil {
			continue
		}
		reply = answer.Append(reply[:0], n)
		_, _ = c.WriteToUDPAddrPort(reply, peer) // a reply that cannot be sent is lost, as UDP's are
	}
}
