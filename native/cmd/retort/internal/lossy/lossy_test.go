package lossy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/retort-udp/retort/native/cmd/retort/internal/lossy"
)

func TestAllIsWritten(t *testing.T) {
	var out bytes.Buffer
	w := lossy.New(&out, 1<<20)
	w.Start()
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := io.WriteString(w, line); n != len(line) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	w.Close(t.Context())
	if out.String() != want.String() || w.Lost() != 0 {
		t.Errorf("%d bytes were written instead of %d, %d writes lost", out.Len(), want.Len(), w.Lost())
	}
	if n, err := io.WriteString(w, "late"); n != 4 || err != nil || w.Lost() != 1 {
		t.Errorf("Write after Close: %d, %v, %d lost", n, err, w.Lost())
	}
}

type gate struct {
	open chan struct{}
	text bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.text.Write(p)
}

// TestStalled: nobody waits for a writer that stands still, lines are lost whole, and it goes on afterwards.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		w := lossy.New(g, 25)
		w.Start()
		io.WriteString(w, "in the making\n")
		synctest.Wait() // it is being written
		for range 4 {
			io.WriteString(w, "ten bytes\n")
		}
		if w.Lost() != 2 {
			t.Errorf("%d writes lost, not 2", w.Lost())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Close(ctx) // returns, though it cannot be done

		close(g.open)
		w.Close(t.Context())
		if got := g.text.String(); got != "in the making\nten bytes\nten bytes\n" {
			t.Errorf("written: %q", got)
		}
	})
}

// TestStart: what was written before Start is passed on after it, and forgotten without it.
func TestStart(t *testing.T) {
	for _, start := range []bool{true, false} {
		var out bytes.Buffer
		w := lossy.New(&out, 100)
		io.WriteString(w, "early\n")
		want := ""
		if start {
			w.Start()
			io.WriteString(w, "late\n")
			want = "early\nlate\n"
		}
		w.Close(t.Context())
		if out.String() != want {
			t.Errorf("started %v: %q was written", start, &out)
		}
	}
}
