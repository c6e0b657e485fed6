// Challenges peers before it answers them: the built-in handler, as a guest. To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o cookie.wasm cookie.go

package main

import (
	"github.com/retort-udp/retort/core/reply/cookie"
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
)

func init() { classifier.Serve(new(cookie.Handler)) }

func main() {}
