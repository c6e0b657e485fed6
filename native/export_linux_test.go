package native

import "github.com/retort-udp/retort/core"

func (c *batched) shrink(size int) {
	for i := range c.inBuffer {
		c.inBuffer[i].SetLen(size)
	}
}

func (c *batched) isTold() bool { return c.told }

// BatchSize is how many datagrams one system call takes.
const BatchSize = batchSize

// Cuts says whether c has the kernel cut replies.
func Cuts(c core.Conn) bool { return c.(*batched).offload.cuts.Load() }

// CutTooMuch has c ask the kernel for more datagrams of one message than any kernel cuts, which it refuses.
func CutTooMuch(c core.Conn) { c.(*batched).offload.most = 1000 }
