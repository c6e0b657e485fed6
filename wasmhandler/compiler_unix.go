//go:build unix && !aix && !solaris && !illumos

package wasmhandler

import (
	"os"
	"os/signal"
	"time"

	"github.com/retort-udp/retort/wasmhandler/internal/race"

	"golang.org/x/sys/unix"
)

// limitProcess has the system bound this process: it sends SIGXCPU at the limit of CPU time, and a second later,
// should that not be heard, most systems end the process.
func limitProcess(cpu time.Duration, data int64) error {
	exceeded := make(chan os.Signal, 1)
	signal.Notify(exceeded, unix.SIGXCPU)
	go func() {
		<-exceeded
		os.Exit(exitCPU)
	}()
	if err := lower(unix.RLIMIT_CPU, uint64(cpu/time.Second), 1); err != nil {
		return err
	}
	if race.Enabled {
		return nil // the race detector's own memory is terabytes, of which it uses little
	}
	return lower(unix.RLIMIT_DATA, uint64(data), 0)
}
