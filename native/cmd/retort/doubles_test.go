package main

import (
	"net"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// doubles are servers that a client should cope with. Each takes the requests that c receives, and ends when
// c is closed.
var doubles = map[string]func(c *net.UDPConn){
	// silent never answers.
	"silent": func(c *net.UDPConn) { requests(c, func(int, *net.UDPAddr) {}) },

	// forgetful answers every third request.
	"forgetful": func(c *net.UDPConn) {
		requests(c, func(n int, from *net.UDPAddr) {
			if n%3 == 0 {
				c.WriteToUDP([]byte("at last"), from)
			}
		})
	},

	// overheard is one whose clients get something from somebody else first.
	"overheard": func(c *net.UDPConn) {
		somebody, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		defer somebody.Close()
		requests(c, func(_ int, from *net.UDPAddr) {
			somebody.WriteToUDP([]byte("forged"), from)
			somebody.WriteToUDP([]byte("forged again"), from)
			c.WriteToUDP([]byte("genuine"), from)
		})
	},

	// binary answers with what is not ASCII.
	"binary": func(c *net.UDPConn) {
		requests(c, func(_ int, from *net.UDPAddr) { c.WriteToUDP([]byte("\x00it's \xff\n"), from) })
	},

	// empty answers with an empty datagram.
	"empty": func(c *net.UDPConn) {
		requests(c, func(_ int, from *net.UDPAddr) { c.WriteToUDP(nil, from) })
	},
}

func requests(c *net.UDPConn, answer func(n int, from *net.UDPAddr)) {
	buffer := make([]byte, 65536)
	for n := 1; ; n++ {
		_, from, err := c.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		answer(n, from)
	}
}

// cmdDouble starts one of doubles and sets $NAME to its port. The kind "closed" is a port on which nobody
// listens: the system gives a port that was in use a moment ago to nobody else soon.
func cmdDouble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: double NAME KIND")
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port))
	if args[1] == "closed" {
		c.Close()
		return
	}
	serve := doubles[args[1]]
	if serve == nil {
		c.Close()
		ts.Fatalf("there is no double called %s", args[1])
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(c)
	}()
	ts.Defer(func() {
		c.Close()
		<-done
	})
}
