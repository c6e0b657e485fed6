package main

import (
	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// Guard holds what shows that a server cannot be turned against anybody, beyond what every run of the tests does.
type Guard mg.Namespace

// Simulate runs the guard's simulations in full, which takes some minutes: every pairing of servers on every path, with
// the number of datagrams that each loop lived, those of the sample guests among them; ten million datagrams of honest
// clients in each scenario, with those that were lost; and ten million sources that flood.
func (Guard) Simulate() error {
	return sh.RunWithV(map[string]string{"RETORT_TEST_LONG": "1"},
		"go", "test", "-count=1", "-timeout=30m", "-v", "-run", "Loop|Honest|Flood",
		"./core/guard", "./native/cmd/retort/internal/looptest")
}

// Cost measures what the guard costs each datagram that it admits, beside the same batches without one.
func (Guard) Cost() error {
	return sh.RunV("go", "test", "-run", "^$", "-bench", "Cost", "./core/guard")
}
