package protocoltest

import (
	"math/rand/v2"
	"testing"

	"github.com/retort-udp/retort/core"
)

// The harness itself, on the simplest handler.
func TestDifferentialLength(t *testing.T) {
	differential(t, "length", nil, func(r *rand.Rand, d *core.Datagram) { d.Data = make([]byte, r.IntN(2000)) })
}

func TestVectorsLength(t *testing.T) { answersVectors(t, "length") }
