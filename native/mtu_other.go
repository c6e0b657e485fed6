//go:build !(linux || darwin || freebsd || windows)

package native

import (
	"errors"
	"fmt"
)

func forbidFragments(uintptr, bool) error {
	return fmt.Errorf("this system cannot forbid fragmenting: %w", errors.ErrUnsupported)
}

func pathMTU(uintptr, bool) int { return 0 }
