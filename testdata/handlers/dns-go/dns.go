// Answers DNS queries from the zones in its configuration: the built-in handler, as a guest. To build it in this folder:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o dns.wasm dns.go

package main

import (
	"github.com/retort-udp/retort/core/reply/dns"
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
)

func init() { classifier.Serve(new(dns.Handler)) }

func main() {}
