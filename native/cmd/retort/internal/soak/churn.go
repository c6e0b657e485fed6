package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/monitor"
)

// atOnce is how many hostile modules lie in the directory at once.
const atOnce = 6

// hostileSettings give a hostile module that is not refused a listener, so that it can be asked.
const hostileSettings = "addresses = ['127.0.0.1:0']\nworkers = 1\nloop-guard = 'off'\n"

func handlersIn(dir string) string { return filepath.Join(dir, "handlers") }

// churn changes the directory of handlers again and again.
type churn struct {
	server   *server
	dir      string
	versions map[string][2][]byte // of the handlers that are swapped, by name
	hostile  map[string][]byte    // by name

	swaps                       int
	swapErrors                  []error
	tried                       map[string]bool
	refused, contained, escaped int
	hostileErrors               []error
}

// newChurn makes the directory, with the first version of each handler.
func newChurn(tree, dir string) (*churn, error) {
	c := &churn{dir: handlersIn(dir), hostile: make(map[string][]byte), tried: make(map[string]bool)}
	modules, err := filepath.Glob(filepath.Join(tree, "testdata", "hostile", "*.wasm"))
	if err != nil {
		return nil, err
	}
	for _, path := range modules {
		module, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		c.hostile["hostile-"+strings.TrimSuffix(filepath.Base(path), ".wasm")] = module
	}
	if len(c.hostile) == 0 {
		return nil, fmt.Errorf("%s has no hostile modules in testdata: name the tree with -tree", tree)
	}
	lengths := [2][]byte{}
	for i, language := range []string{"length-c", "length-rust"} {
		if lengths[i], err = os.ReadFile(filepath.Join(tree, "testdata", "handlers", language, "length.wasm")); err != nil {
			return nil, err
		}
	}
	echo, err := os.ReadFile(filepath.Join(tree, "wasmhandler", "testdata", "echo.wasm"))
	if err != nil {
		return nil, err
	}
	c.versions = map[string][2][]byte{"soak-length": lengths, "soak-echo": {echo, another(echo)}}
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, err
	}
	for name, versions := range c.versions {
		if err := c.place(name+".wasm", versions[0]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// another returns a module that does the same and is another file: it has a custom section more, called "v", whose
// content is nothing (WebAssembly specification, section 5.5.3).
func another(module []byte) []byte { return append(module[:len(module):len(module)], 0, 2, 1, 'v') }

// place puts a file into the directory at once, as careful programs do.
func (c *churn) place(name string, data []byte) error {
	beside := filepath.Join(c.dir, "."+name)
	if err := os.WriteFile(beside, data, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, filepath.Join(c.dir, name))
}

// verdict waits until the server has judged a file; a sum of "" waits until it has forgotten it.
func (c *churn) verdict(ctx context.Context, name, sum string) (v monitor.Verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = until(ctx, func() bool {
		status, err := c.server.ask(ctx)
		if err != nil {
			return false
		}
		v = monitor.Verdict{}
		for _, f := range status.Files {
			if f.Handler == name {
				v = f
			}
		}
		return v.SHA256 == sum
	})
	return v, err
}

func sumOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// swapAll swaps each handler for its other version until ctx ends.
func (c *churn) swapAll(ctx context.Context) {
	for n := 1; ; n++ {
		for name, versions := range c.versions {
			err := c.swap(ctx, name, versions[n%2])
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				c.swapErrors = append(c.swapErrors, fmt.Errorf("swap %d of %s: %w", n, name, err))
				continue
			}
			c.swaps++
		}
	}
}

func (c *churn) swap(ctx context.Context, name string, module []byte) error {
	if err := c.place(name+".wasm", module); err != nil {
		return err
	}
	v, err := c.verdict(ctx, name, sumOf(module))
	if err == nil && v.Refused != "" {
		err = errors.New(v.Refused)
	}
	return err
}

// hurt puts hostile modules into the directory, asks those that are served, and removes them, until ctx ends.
func (c *churn) hurt(ctx context.Context) {
	for {
		var batch []string
		for name := range c.hostile { // in an order of chance
			batch = append(batch, name)
			if len(batch) == atOnce {
				c.hurtWith(ctx, batch)
				batch = nil
			}
		}
		c.hurtWith(ctx, batch)
		if ctx.Err() != nil {
			return
		}
	}
}

func (c *churn) hurtWith(ctx context.Context, batch []string) {
	if ctx.Err() != nil {
		return
	}
	trouble := func(err error) {
		if err != nil && ctx.Err() == nil {
			c.hostileErrors = append(c.hostileErrors, err)
		}
	}
	for _, name := range batch {
		trouble(c.place(name+".toml", []byte(hostileSettings)))
		trouble(c.place(name+".wasm", c.hostile[name]))
	}
	for _, name := range batch {
		v, err := c.verdict(ctx, name, sumOf(c.hostile[name]))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.escaped++
			trouble(fmt.Errorf("%s was not judged: %w", name, err))
		case v.Refused != "":
			c.refused++
			c.tried[name] = true
		default:
			if err = c.provoke(ctx, name); err == nil {
				err = c.server.stillServes(ctx)
			}
			if err != nil && ctx.Err() == nil {
				c.escaped++
				trouble(fmt.Errorf("%s was not contained: %w", name, err))
				continue
			}
			c.contained++
			c.tried[name] = true
		}
	}
	for _, name := range batch {
		trouble(os.Remove(filepath.Join(c.dir, name+".wasm")))
		trouble(os.Remove(filepath.Join(c.dir, name+".toml")))
	}
	for _, name := range batch {
		if _, err := c.verdict(ctx, name, ""); err != nil {
			trouble(fmt.Errorf("%s was not forgotten: %w", name, err))
		}
	}
}

// provoke sends datagrams to a module that is served. Whether it answers is its own affair.
func (c *churn) provoke(ctx context.Context, name string) error {
	at, err := c.server.address(ctx, name)
	if err != nil {
		return err
	}
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	reply := make([]byte, 1<<16)
	for n := range 8 {
		if _, err := fmt.Fprintf(conn, "datagram %d", n); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // a UDP socket has deadlines
		_, _ = conn.Read(reply)
	}
	return nil
}

// stillServes asks the listener that the hostile modules share a process with.
func (s *server) stillServes(ctx context.Context) error {
	_, err := s.address(ctx, "echo")
	return err
}
