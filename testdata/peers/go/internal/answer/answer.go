// Package answer has what the peers in Go have in common: a socket on the loopback interface, and the reply.
package answer

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
)

// Listen returns a bound socket with buffers of the size that the first argument of the program says, and
// says on standard output where it listens. Should that fail the program ends.
func Listen() *net.UDPConn {
	c, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func listen() (*net.UDPConn, error) {
	if len(os.Args) != 2 {
		return nil, fmt.Errorf("usage: %s BUFFER", os.Args[0])
	}
	size, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return nil, err
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.SetReadBuffer(size), c.SetWriteBuffer(size)); err != nil {
		return nil, err
	}
	_, err = fmt.Printf("Listening at ('127.0.0.1', %d)\n", c.LocalAddr().(*net.UDPAddr).Port)
	return c, err
}

// Append appends the reply to a request of n bytes.
func Append(dst []byte, n int) []byte {
	dst = append(dst, "Your data was "...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, " bytes long"...)
}
