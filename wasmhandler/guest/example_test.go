package guest_test

import (
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

func init() { guest.Serve(reply.Length{}) }

// This is the whole of a guest, in package main; its main is empty.
func Example() {}
