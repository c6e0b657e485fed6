package wasmhandler

import (
	"errors"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// command answers with a program that is started for each datagram: request on standard input, reply from
// standard output. What it prints on standard error is logged. It learns nothing of the peer.
type command struct {
	gate             // and the module
	number uint64    // of the worker, from 1
	asked  uint64    // datagrams so far
	next   *instance // nil: to be made
	fuel   uint64    // that the last run used
	spent  spending
	retry  backoff
	closed bool
}

func newCommand(m *Module, worker int) (*command, error) {
	in, err := m.newInstance()
	if err != nil {
		return nil, err
	}
	m.startFuel = in.used()
	return &command{gate: newGate(m, worker), number: uint64(worker) + 1, next: in}, nil
}

// The exit codes of a command that are no faults.
const (
	exitReply   = 0
	exitSilence = 1
)

// Reply runs the program, if it may be run.
func (c *command) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if !c.gate.open() {
		if reply, err, away := c.gate.turn(dst, d); away {
			return reply, err
		}
	}
	reply, err := c.run(dst, d)
	if err != nil {
		return c.gate.failed(dst, d, err)
	}
	return reply, nil
}

// run runs the program once. A reply beyond what dst has room for comes back longer than that, by one byte:
// enough for the caller to see that it must be dropped.
func (c *command) run(dst []byte, d *core.Datagram) ([]byte, error) {
	in, err := c.take(d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.close() }() // what befell the guest is in the fault
	in.clock = uint64(d.Time.UnixNano())
	in.stdin, in.stdout, in.room = d.Data, dst, cap(dst)
	in.random.use(c.number, c.asked, drawInReply)
	c.asked++

	err = in.call(in.functions.start)
	c.fuel = in.used()
	add(&c.spent.fuel, c.fuel)
	var exit *hostTrap
	switch {
	case err == nil:
		return in.stdout, nil
	case errors.As(err, &exit) && exit.cause == CauseExit && exit.code == exitReply:
		return in.stdout, nil
	case errors.As(err, &exit) && exit.cause == CauseExit && exit.code == exitSilence:
		return nil, nil
	}
	f := in.newFault(abi.Start, err)
	c.module.count(f)
	return nil, f
}

// take returns an instance that has not run.
func (c *command) take(d *core.Datagram) (*instance, error) {
	if c.closed {
		return nil, c.module.config.errorf("%w", ErrClosed)
	}
	if in := c.next; in != nil {
		c.next = nil
		return in, nil
	}
	if err := c.retry.wait(d.Time); err != nil {
		return nil, err
	}
	in, err := c.module.newInstance()
	if err != nil {
		c.module.counters.failures.Add(1)
		return nil, c.retry.failed(d.Time, err)
	}
	c.retry = backoff{}
	return in, nil
}

// Close releases what the command holds. It answers with ErrClosed afterwards.
func (c *command) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	var err error
	if c.next != nil {
		err = c.next.close()
		c.next = nil
	}
	return errors.Join(err, c.module.release(c))
}

// FuelUsed implements FuelMeter. What the program's start function used counts for each run.
func (c *command) FuelUsed() uint64 { return c.fuel }

func (c *command) spending() *spending { return &c.spent }
