//go:build !unix

package main

import (
	"context"
	"os"
)

// successions returns a channel that stays empty: there is no SIGUSR2 here, and no socket that could be inherited.
func successions() (again <-chan os.Signal, stop func()) { return nil, func() {} }

func (s *service) handOver(context.Context) bool { return false }
