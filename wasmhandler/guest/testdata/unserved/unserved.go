// A guest that makes the likeliest mistake: a host never calls main.
package main

import (
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

func main() { guest.Serve(reply.Length{}) }
