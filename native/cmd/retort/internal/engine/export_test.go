package engine

import "github.com/retort-udp/retort/core"

// ForWorker returns what a worker of a listener of s asks.
func ForWorker(s *Slot) (core.Handler, error) { return s.swap.ForWorker() }
