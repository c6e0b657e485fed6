package wasmhandler_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
)

// TestNoAddresses takes the address space away in a process of its own: a worker that cannot be made is an error, one
// that cannot be replaced is another, and both pass.
func TestNoAddresses(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector needs the address space")
	}
	if strconv.IntSize == 32 {
		t.Skip("this machine cannot address the 4 GiB that this test takes")
	}
	if os.Getenv("WASMHANDLER_NO_ADDRESSES") == "" {
		self, err := os.Executable()
		if err != nil {
			t.Skip("this program cannot start itself: ", err)
		}
		child := exec.Command(self, "-test.run=^TestNoAddresses$", "-test.v")
		child.Env = append(os.Environ(), "WASMHANDLER_NO_ADDRESSES=1")
		output, err := child.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("this program cannot start itself: ", err)
		}
		if bytes.Contains(output, []byte("--- SKIP: TestNoAddresses")) {
			t.Skip("limits of memory have no effect here, as under qemu")
		}
		if err != nil || !bytes.Contains(output, []byte("--- PASS: TestNoAddresses")) {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}

	m := load(t, "fault", wasmhandler.WithoutImage(wasmhandler.Config{Memory: 4 << 30}))
	h := forWorker(t, m)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &before); err != nil {
		t.Fatal(err)
	}
	limit := func(l syscall.Rlimit) {
		var now syscall.Rlimit
		if err := errors.Join(syscall.Setrlimit(syscall.RLIMIT_AS, &l), syscall.Getrlimit(syscall.RLIMIT_AS, &now)); err != nil {
			t.Fatal(err)
		}
		if now != l {
			t.Skip("limits of memory have no effect here, as under qemu")
		}
	}
	now := uint64(mapped(t)) << 10
	limit(syscall.Rlimit{Cur: now + 1<<30, Max: before.Max})
	_, err := m.ForWorker()
	fail(t, h, datagram("u")) // the old instance goes before the new one comes, so that this needs no more
	ask(t, h, datagram("."))
	limit(syscall.Rlimit{Cur: now - 3<<30, Max: before.Max})
	fail(t, h, datagram("u"))
	_, err2 := h.Reply(room(1), datagram("."))
	limit(before)

	if err == nil || !strings.Contains(err.Error(), "reserving 4294967296 bytes of memory: ") {
		t.Errorf("a second worker: %v", err)
	}
	if !errors.Is(err2, wasmhandler.ErrNoInstance) {
		t.Errorf("a restart: %v", err2)
	}
	forWorker(t, m)
	d := datagram(".")
	d.Time = d.Time.Add(1e9)
	if got := ask(t, h, d)[0]; got != 1 {
		t.Errorf("the datagram after that is number %d", got)
	}
}
