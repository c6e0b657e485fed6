// Counts log messages and says in the log how many there were: the built-in handler, as a guest.
// To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o syslog.wasm syslog.go

package main

import (
	"github.com/retort-udp/retort/core/reply/syslog"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

func init() {
	h := new(syslog.Handler)
	h.ReportTo(func(text string) { guest.Log(guest.Info, text) })
	guest.Serve(h)
}

func main() {}
