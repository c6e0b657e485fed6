package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/vectors"
)

// handlersDir is a directory of handlers, and a server that watches it.
type handlersDir struct {
	t      *testing.T
	dir    string
	server *process
	seen   int // of its diagnostics, in bytes
}

func newHandlersDir(t *testing.T) *handlersDir { return &handlersDir{t: t, dir: t.TempDir()} }

// start starts a server that compiles modules once for all tests of a run.
func (h *handlersDir) start(args ...string) {
	h.t.Helper()
	h.server = runInBackground(append([]string{"server", "-q", "--handlers", h.dir, "--cache-dir", filepath.Join(h.dir, ".cache")}, args...)...)
	h.t.Cleanup(func() {
		h.server.end()
		<-h.server.done
	})
}

// place puts a file into the directory at once.
func (h *handlersDir) place(name string, data []byte) {
	h.t.Helper()
	away := filepath.Join(h.dir, ".away")
	if err := os.WriteFile(away, data, 0o666); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(away, filepath.Join(h.dir, name)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *handlersDir) sample(name, as string) {
	h.t.Helper()
	wasm, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		h.t.Fatal(err)
	}
	h.place(as, wasm)
}

// logged waits for a match behind the one that was waited for before.
func (h *handlersDir) logged(pattern string) {
	h.t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		text, more := h.server.stderr.now()
		if at := re.FindStringIndex(text[h.seen:]); at != nil {
			h.seen += at[1]
			return
		}
		select {
		case <-more:
		case <-deadline:
			h.t.Fatalf("it did not log %s, but\n%s", re, text[h.seen:])
		}
	}
}

// ask returns what is answered at a port.
func (h *handlersDir) ask(port string) string {
	h.t.Helper()
	answer, err := dial(h.t, "127.0.0.1:"+port).Ask(h.t.Context(), []byte("?"))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(answer.Data)
}

// freePort returns a port on which nobody listened a moment ago: the system gives one to nobody else soon.
func freePort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, err := net.SplitHostPort(c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestListenersOfAFile: the listeners of NAME.toml follow it, those of which nothing new is said go on, and when the
// new ones cannot be had the old ones stay.
func TestListenersOfAFile(t *testing.T) {
	h := newHandlersDir(t)
	one, two, taken := freePort(t), freePort(t), freePort(t)
	h.sample("config-c/config.wasm", "a.wasm")
	h.place("a.toml", []byte("handler-config = 'first'\naddresses = ['127.0.0.1:"+one+"']"))
	h.start()
	h.logged(`handler loaded" handler=a`)
	if got := h.ask(one); got != "first" {
		t.Errorf("answered %q", got)
	}

	// Another listener, and another configuration: the first one's socket stays.
	h.place("a.toml", []byte("handler-config = 'second'\n[[listener]]\nname = 'a'\nport = "+one+"\naddresses = ['127.0.0.1:"+one+"']\n"+
		"[[listener]]\nport = "+two))
	h.logged(`msg=listening name=a/2 addresses=\[127.0.0.1:` + two + `\]`)
	h.logged(`handler loaded" handler=a`)
	if a, b := h.ask(one), h.ask(two); a != "second" || b != "second" {
		t.Errorf("answered %q and %q", a, b)
	}

	// The same address with other rules.
	h.place("a.toml", []byte("handler-config = 'third'\nrate = 17\naddresses = ['127.0.0.1:"+one+"']"))
	h.logged(`a listener has ended" name=a `)
	h.logged(`handler loaded" handler=a`)
	if got := h.ask(one); got != "third" {
		t.Errorf("answered %q", got)
	}
	if c, err := net.ListenPacket("udp4", "127.0.0.1:"+two); err != nil {
		t.Errorf("the second listener is still there: %v", err)
	} else {
		c.Close()
	}

	// An address that is taken: nothing changes.
	holder, err := net.ListenPacket("udp4", "127.0.0.1:"+taken)
	if err != nil {
		t.Skipf("somebody else has taken the port: %v", err)
	}
	defer holder.Close()
	h.place("a.toml", []byte("handler-config = 'fourth'\naddresses = ['127.0.0.1:"+one+"', '127.0.0.1:"+taken+"']"))
	h.logged(`handler refused; the one that serves goes on" handler=a .*another program has the port`)
	if got := h.ask(one); got != "third" {
		t.Errorf("answered %q", got)
	}
	holder.Close()
	h.place("a.toml", []byte("handler-config = 'fifth'\naddresses = ['127.0.0.1:"+one+"', '127.0.0.1:"+taken+"']"))
	h.logged(`handler loaded" handler=a`)
	if a, b := h.ask(one), h.ask(taken); a != "fifth" || b != "fifth" {
		t.Errorf("answered %q and %q", a, b)
	}

	// No listener any more.
	h.place("a.toml", nil)
	h.logged(`a listener has ended" name=a `)
	h.logged(`handler loaded" handler=a`)
	if c, err := net.ListenPacket("udp4", "127.0.0.1:"+one); err != nil {
		t.Errorf("the listener is still there: %v", err)
	} else {
		c.Close()
	}
}

// TestUnfitForTheDirectory: what a server would take by --handler, and abitest does not, is refused.
func TestUnfitForTheDirectory(t *testing.T) {
	h := newHandlersDir(t)
	h.start("-p", "0")
	wasm, err := os.ReadFile("../../../wasmhandler/testdata/fault.wasm")
	if err != nil {
		t.Fatal(err)
	}
	h.place("faulty.wasm", wasm)
	h.logged(`handler refused" handler=faulty .*faulty does not conform`)
	h.place("a.wasm", nil)
	h.logged(`handler refused" handler=a .*`)
	h.sample("length-c/length.wasm", "a.wasm")
	h.logged(`handler loaded" handler=a sha256=[0-9a-f]{64}`)
	h.place("a.vectors.txt", []byte(`"x" -> "y"`))
	h.logged(`handler refused; the one that serves goes on" handler=a .*fails its own vectors: .*a.vectors.txt:1`)
	h.place("a.vectors.txt", []byte(strings.Repeat("#", vectors.MaxFile+1)))
	h.logged(`handler refused; the one that serves goes on" handler=a .*more than 1048576`)
	h.place("a.vectors.txt", []byte(`"x" -> "Your data was 1 bytes long"`))
	h.logged(`handler loaded" handler=a`)
}

// TestReplacedUnderLoad: files are replaced while clients ask, and each of their requests is answered. Where sockets
// can be taken over, that goes for listeners of which something else is said, too.
func TestReplacedUnderLoad(t *testing.T) {
	times := 20
	if testing.Short() {
		times = 4
	}
	h := newHandlersDir(t)
	port := freePort(t)
	h.sample("config-c/config.wasm", "a.wasm")
	settings := func(n int) []byte {
		rate := 1000
		if hangup, stop := hangups(); hangup != nil { // as on all systems whose sockets can be
			rate += n
			stop()
		}
		return fmt.Appendf(nil, "handler-config = 'number %d'\naddresses = ['127.0.0.1:%s']\nworkers = 1\nrate = %d", n, port, rate)
	}
	h.place("a.toml", settings(0))
	h.start("--loop-guard", "off") // which withholds a reply from a peer that asks for ever
	h.logged(`handler loaded" handler=a`)

	enough := make(chan struct{})
	result := make(chan error, 1)
	go func() { result <- askUntil(enough, "127.0.0.1:"+port) }()
	for n := 1; n <= times; n++ {
		h.place("a.toml", settings(n))
		h.logged(`handler loaded" handler=a`)
		if got, want := h.ask(port), fmt.Sprintf("number %d", n); got != want {
			t.Errorf("answered %q, not %q", got, want)
		}
	}
	close(enough)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// askUntil asks again and again, each time once, until it is enough.
func askUntil(enough <-chan struct{}, addr string) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	answer := make([]byte, 100)
	for asked := 1; ; asked++ {
		select {
		case <-enough:
			return nil
		default:
		}
		if _, err := c.Write([]byte("?")); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if n, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "number ") {
			return fmt.Errorf("request %d was answered %q, %w", asked, answer[:n], err)
		}
	}
}
