package main

import (
	"regexp"
	"strconv"
	"testing"
)

// TestSilenced has one client cause faults until it is ignored. Another is answered, and the summary tells.
func TestSilenced(t *testing.T) {
	p, addr := startServer(t, "--no-cache", "--handler", "../../../wasmhandler/testdata/fault.wasm")
	bad := dial(t, addr)
	const sent = 200
	for range sent {
		if err := bad.Send([]byte("u")); err != nil {
			t.Fatal(err)
		}
	}
	if answer, err := dial(t, addr).Ask(t.Context(), []byte(".")); err != nil || len(answer.Data) == 0 {
		t.Fatalf("%v, %v", answer, err)
	}
	p.end()
	_, _, stderr := p.ended(t)
	counted := func(name string) int {
		m := regexp.MustCompile(`guest\.` + name + `=(\d+)`).FindStringSubmatch(stderr)
		if m == nil {
			t.Fatalf("the summary has no %s:\n%s", name, stderr)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if silenced, faults := counted("silenced"), counted("fault_unreachable"); silenced+faults != sent || faults < 9 {
		t.Errorf("%d datagrams were silenced and %d had faults, of %d:\n%s", silenced, faults, sent, stderr)
	}
}
