// Answers each datagram with how long it was: the built-in handler, as a guest. To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o length.wasm .

package main

import (
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

func init() { guest.Serve(reply.Length{}) }

func main() {}
