package coretest_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
)

// breaches are handlers that break the contract, each in its own way.
var breaches = map[string]struct {
	handler core.Handler
	says    string
}{
	"writes into the request": {core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		for i := range d.Data {
			d.Data[i]++
		}
		return dst, nil
	}), "changed the data of the datagram"},
	"answers with the request's memory": {core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return d.Data, nil
	}), "is not dst extended"},
	"changes the peer": {core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		d.From = d.To
		return dst, nil
	}), "changed the datagram"},
	"uses a reserved code": {core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return nil, core.Code(-5)
	}), "returned the code -5"},
	"has no instance for a worker": {perWorkerFunc(func() (core.Handler, error) { return nil, nil }), "neither a Handler nor an error"},
}

type perWorkerFunc func() (core.Handler, error)

func (f perWorkerFunc) ForWorker() (core.Handler, error)                   { return f() }
func (f perWorkerFunc) Reply(dst []byte, _ *core.Datagram) ([]byte, error) { return dst, nil }

// A test that cannot fail proves nothing, so this one runs itself once for each breach and wants to see
// it fail. The breach is named in the environment.
func TestTestHandlerFindsBreaches(t *testing.T) {
	const variable = "RETORT_TEST_BREACH"
	if name := os.Getenv(variable); name != "" {
		coretest.TestHandler(t, breaches[name].handler)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Skipf("this system cannot run a program again: %v", err)
	}
	for name, breach := range breaches {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run", "^"+regexp.QuoteMeta("TestTestHandlerFindsBreaches")+"$")
			cmd.Env = append(os.Environ(), variable+"="+name)
			out, err := cmd.CombinedOutput()
			if _, exited := err.(*exec.ExitError); err != nil && !exited {
				t.Skipf("this system cannot run a program again: %v", err)
			}
			if err == nil {
				t.Fatal("TestHandler is content with it")
			}
			if !strings.Contains(string(out), breach.says) {
				t.Errorf("its report does not say %q:\n%s", breach.says, out)
			}
		})
	}
}

func TestTestHandlerIsContentWithAGoodHandler(t *testing.T) {
	coretest.TestHandler(t, core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if len(d.Data) == 1 {
			return nil, core.ErrMalformed
		}
		return append(dst, d.Data...), nil
	}))
}
