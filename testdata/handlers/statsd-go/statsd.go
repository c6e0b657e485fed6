// Sums up metrics and says in the log what became of them: the built-in handler, as a guest.
// To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o statsd.wasm statsd.go

package main

import (
	"github.com/retort-udp/retort/core/reply/statsd"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

func init() {
	h := new(statsd.Handler)
	h.ReportTo(func(text string) { guest.Log(guest.Info, text) })
	guest.Serve(h)
}

func main() {}
