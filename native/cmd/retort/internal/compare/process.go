package main

// Servers as processes: they are started, asked whether they answer, and ended whatever happens.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/retort-udp/retort/native"
)

// process is a server that runs.
type process struct {
	addr    netip.AddrPort
	cmd     *exec.Cmd
	stderr  log
	scraper *scraper // nil: nobody asks for its metrics
}

// startTime bounds how long a server takes to say where it listens; compiling a guest may take a while.
const startTime = 30 * time.Second

// start starts a server on a processor of its own. The process ends with ctx, with stop, and on Linux also
// with this program, should that be killed.
func (b *bench) start(ctx context.Context, s server) (*process, error) {
	command := s.command
	if b.taskset != "" {
		command = append([]string{b.taskset, "-c", strconv.Itoa(b.serverCPU)}, command...)
	}
	p := &process{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second
	dieWithParent(p.cmd)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	giveUp := time.AfterFunc(startTime, func() { _ = p.cmd.Process.Kill() })
	defer giveUp.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		p.addr, err = parseListening(line)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s does not start: %w\n%s", s.name, errors.Join(err, ctx.Err()), &p.stderr)
	}
	if s.is == watched {
		p.scraper = scrape(ctx, p.stderr.String)
	}
	return p, nil
}

// stop ends the process and waits for that.
func (p *process) stop() {
	_ = p.scraper.end()      // measureOnce has asked, where it matters
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // that it was killed is known
}

var listening = regexp.MustCompile(`^Listening at \('([0-9.]+)', ([0-9]+)\)\s*$`)

// parseListening reads the line that every server begins with: Listening at ('127.0.0.1', 40123)
func parseListening(line string) (netip.AddrPort, error) {
	parts := listening.FindStringSubmatch(line)
	if parts == nil {
		return netip.AddrPort{}, fmt.Errorf("%q does not say where it listens", line)
	}
	return netip.ParseAddrPort(parts[1] + ":" + parts[2])
}

// check asks a server for the length of datagrams of several sizes.
func (b *bench) check(ctx context.Context, s server) error {
	p, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer p.stop()
	c, err := native.Dial(ctx, p.addr.String(), native.ClientOptions{Connect: true, FirstWait: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, size := range []int{0, 1, 32, 100, 1400} {
		answer, err := c.Ask(ctx, bytes.Repeat([]byte{'x'}, size))
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", s.name, err)
		}
		if want := fmt.Sprintf("Your data was %d bytes long", size); string(answer.Data) != want {
			return fmt.Errorf("%s answers %q, not %q", s.name, answer.Data, want)
		}
	}
	return nil
}
