// Tells clients the address and port that they are seen from: the built-in handler, as a guest.
// To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o stun.wasm stun.go

package main

import (
	"github.com/retort-udp/retort/core/reply/stun"
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
)

func init() { classifier.Serve(new(stun.Handler)) }

func main() {}
