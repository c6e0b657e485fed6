package systemd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// monotonic is the moment at which a reload begins, by which the manager tells an answer to its own request from an
// older one (Type=notify-reload of systemd.service(5)).
func monotonic() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return ""
	}
	return fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
