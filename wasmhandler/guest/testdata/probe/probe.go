// The guest that tests compare with the same handler run natively.
package main

import (
	"github.com/retort-udp/retort/wasmhandler/guest/classifier"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/probe"
)

func init() { classifier.Serve(&probe.Handler{}) }

func main() {}
