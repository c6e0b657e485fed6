//go:build !unix

package main

import (
	"context"
	"os"

	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/handover"
)

// successions returns a channel that stays empty: there is no SIGUSR2 here, and no socket that could be inherited.
func successions() (again <-chan os.Signal, stop func()) { return nil, func() {} }

// duplicates returns none: no socket can be inherited here.
func duplicates([]*engine.Listener) ([]handover.Socket, error) { return nil, nil }

func (s *service) handOver(context.Context) bool { return false }
