// Answers how many datagrams it has seen, this one included. To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o counter.wasm .

package main

import (
	"strconv"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

// counter needs no lock: each worker of a server has an instance of the module of its own, and so a count of its own.
type counter struct{ seen uint64 }

func (c *counter) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	c.seen++
	return strconv.AppendUint(dst, c.seen, 10), nil
}

func init() { guest.Serve(new(counter)) }

func main() {}
