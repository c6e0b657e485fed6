// Serves resources by the Constrained Application Protocol: the built-in handler, as a guest.
// To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o coap.wasm coap.go

package main

import (
	"github.com/retort-udp/retort/core/reply/coap"
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
)

func init() { classifier.Serve(new(coap.Handler)) }

func main() {}
