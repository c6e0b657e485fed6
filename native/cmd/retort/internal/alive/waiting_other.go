//go:build !unix

package alive

import (
	"errors"

	"github.com/retort-udp/retort/core"
)

// waiting cannot be told: nobody looks after services here as systemd does.
func waiting(core.Conn) (bool, error) { return false, errors.ErrUnsupported }
