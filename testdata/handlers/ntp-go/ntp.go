// Answers clients of the Network Time Protocol: the built-in handler, as a guest. To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o ntp.wasm ntp.go

package main

import (
	"github.com/retort-udp/retort/core/reply/ntp"
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
)

func init() { classifier.Serve(new(ntp.Handler)) }

func main() {}
