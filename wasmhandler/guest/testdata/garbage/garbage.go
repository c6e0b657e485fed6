// A guest that allocates a little for each datagram, as none should.
package main

import (
	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

type garbage struct{ last *int64 }

func (g *garbage) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	g.last = new(int64)
	*g.last = int64(len(d.Data))
	return dst, nil
}

func init() { guest.Serve(new(garbage)) }

func main() {}
