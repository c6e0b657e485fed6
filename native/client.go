package native

// The side that asks: it sends a datagram and waits for the answer, and takes nobody else's.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/retort-udp/retort/core"
)

// ClientOptions says how a Client asks. The zero value is a good default.
type ClientOptions struct {
	// Connect connects the socket to the server: the kernel then drops what comes from anybody else,
	// LocalAddr is the address that the server sees, and the server's host can say that nobody listens
	// there, which NoReplyError tells. Unconnected, the Client itself drops what comes from others, and
	// counts it.
	Connect bool

	// Promiscuous takes the first datagram from anyone as the answer: whoever guesses the port can
	// answer in the server's place. It is for broadcast, where the answer comes from an address that
	// was not asked, and cannot go with Connect.
	Promiscuous bool

	// How long to wait for the answer before asking again, and how often: first FirstWait, then each
	// time Factor times as long, up to MaxWait, for Tries requests in all. The defaults ask after 0, 1,
	// 3 and 7 seconds and give up after 15 (RFC 8085, section 3.1.1, has an exponential backoff that
	// begins at a second).
	FirstWait time.Duration // 0: 1 s
	Factor    float64       // 1 or more; 0: 2
	MaxWait   time.Duration // 0: 8 s, or FirstWait if that is more
	Tries     int           // 0: 4

	// Jitter is the fraction by which each wait is longer or shorter at random, so that clients that
	// lost a server at the same moment do not come back at the same moment. 0: 0.1; negative: none.
	Jitter float64

	// Waiting, unless it is nil, is called when a request has been sent, before the wait for its answer:
	// try counts from 1, and wait is how long it will be.
	Waiting func(try int, wait time.Duration)
}

// Client asks one server. One goroutine at a time may ask; Close and LocalAddr are for any.
//
// A protocol without an identifier in its requests and answers cannot tell a late answer to an earlier
// request from the answer to this one. A Client discards what waits in its socket when it begins to ask;
// what comes after that it must take for the answer.
type Client struct {
	socket socket
	server netip.AddrPort
	local  netip.AddrPort
	o      ClientOptions
	data   []byte
	stale  func() int // discards what waits in the socket, and counts it
}

// Answer is what a server answered.
type Answer struct {
	Data    []byte
	From    netip.AddrPort // the server, or whoever answered a Promiscuous Client
	Tries   int            // how many requests were sent
	Elapsed time.Duration  // from the first request to the answer
	Foreign int            // datagrams from others that came meanwhile and were dropped
	Late    int            // datagrams that waited from before and were dropped
}

// ErrTooLong is the error of a request that does not fit into one datagram, or not into one that the way
// to the server takes.
var ErrTooLong = errors.New("too long for one datagram")

// NoReplyError says that nobody answered.
type NoReplyError struct {
	Server  netip.AddrPort
	Tries   int           // how many requests were sent
	Elapsed time.Duration // from the first request
	Foreign int           // datagrams from others that came meanwhile and were dropped
	Late    int           // datagrams that waited from before and were dropped
	Refusal error         // the last word of the network, such as syscall.ECONNREFUSED; nil if it had none
	Cause   error         // the context's cause when its end ended the waiting; nil when all tries were used up
}

// Error says all that.
func (e *NoReplyError) Error() string {
	s := fmt.Sprintf("no reply from %v to %d %s in %v",
		e.Server, e.Tries, plural(e.Tries, "request", "requests"), e.Elapsed.Round(time.Millisecond))
	if e.Foreign > 0 {
		s += fmt.Sprintf("; ignored %d %s from others", e.Foreign, plural(e.Foreign, "datagram", "datagrams"))
	}
	if e.Refusal != nil {
		s += fmt.Sprintf("; the network said: %v", e.Refusal)
	}
	if e.Cause != nil {
		s += fmt.Sprintf("; stopped: %v", e.Cause)
	}
	return s
}

// Unwrap returns those of Cause and Refusal that there are.
func (e *NoReplyError) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Cause, e.Refusal}, func(err error) bool { return err == nil })
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Dial returns a Client for the server at addr, a "host:port" as Listen takes it, but with a port that is
// not 0; no host, or a wildcard, stands for this host itself. Nothing is sent. Ctx bounds the look-up of
// the name.
func Dial(ctx context.Context, addr string, o ClientOptions) (*Client, error) {
	c, err := dial(ctx, addr, o)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", addr, err)
	}
	return c, nil
}

func dial(ctx context.Context, addr string, o ClientOptions) (*Client, error) {
	if err := errors.Join(o.complete(), ctx.Err()); err != nil { // a look-up does not always ask ctx first
		return nil, err
	}
	server, err := destination(ctx, addr)
	if err != nil {
		return nil, err
	}
	conn, err := openTo(server, o.Connect)
	if err != nil {
		return nil, err
	}
	c := &Client{server: server, local: localAddr(conn), o: o, data: make([]byte, bufferSize)}
	c.socket = newSocket(conn)
	if c.stale, err = newStale(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// complete fills in the defaults.
func (o *ClientOptions) complete() error {
	switch {
	case o.Connect && o.Promiscuous:
		return errors.New("a connected client hears nobody but the server: it cannot be promiscuous")
	case o.FirstWait < 0, o.MaxWait < 0, o.Tries < 0:
		return errors.New("a wait or a number of tries is negative")
	case o.Factor != 0 && !(o.Factor >= 1):
		return fmt.Errorf("a backoff factor of %v would make the waits shorter", o.Factor)
	case !(o.Jitter <= 1):
		return fmt.Errorf("a jitter of %v is more than the whole wait", o.Jitter)
	}
	if o.FirstWait == 0 {
		o.FirstWait = time.Second
	}
	if o.Factor == 0 {
		o.Factor = 2
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(8*time.Second, o.FirstWait)
	}
	if o.MaxWait < o.FirstWait {
		return fmt.Errorf("the longest wait, %v, is shorter than the first, %v", o.MaxWait, o.FirstWait)
	}
	if o.Tries == 0 {
		o.Tries = 4
	}
	if o.Jitter == 0 {
		o.Jitter = 0.1
	}
	o.Jitter = max(o.Jitter, 0)
	return nil
}

// destination returns the address that addr stands for.
func destination(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port, err := splitAddress(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if port == 0 {
		return netip.AddrPort{}, errPortZero
	}
	if host == "" {
		host = "localhost"
	}
	ip, err := resolveHost(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch ip {
	case netip.IPv4Unspecified():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		ip = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(ip, port), nil
}

// openTo opens a socket of the family of the peer, connected to it or not.
func openTo(peer netip.AddrPort, connect bool) (c *net.UDPConn, err error) {
	network := networkOf(peer.Addr())
	if connect {
		c, err = net.DialUDP(network, nil, net.UDPAddrFromAddrPort(peer))
	} else {
		c, err = net.ListenUDP(network, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := withDescriptor(c, letRoutersCut); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	setBuffers(c, Options{})
	return c, nil
}

// LocalAddr returns the address that the Client's socket has: the wildcard with the port that the system
// chose, or the address that the server sees when the Client is connected.
func (c *Client) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr returns the server's address.
func (c *Client) RemoteAddr() netip.AddrPort { return c.server }

// Close closes the Client; an Ask that waits returns an error that wraps net.ErrClosed.
func (c *Client) Close() error { return c.socket.Close() }

// Send sends one datagram and waits for nothing. The address may be a broadcast one.
func (c *Client) Send(data []byte) error {
	if err := c.checkLength(data); err != nil {
		return err
	}
	if _, err := c.write(data); err != nil {
		return c.sendError(data, err)
	}
	return nil
}

// Ask sends request and returns the answer, in memory of its own. While none comes it asks again as the
// options say, and what comes from anybody but the server it drops.
//
// An error is a NoReplyError when nobody answered, in time or before ctx ended; it is an ErrTooLong when
// the request does not fit into one datagram, and another one when the system does not let it out.
func (c *Client) Ask(ctx context.Context, request []byte) (Answer, error) {
	return c.AskAppend(ctx, []byte{}, request)
}

// AskAppend is Ask, but appends the answer's data to dst, and Data is the extended slice. It does not
// allocate when dst has the room and ctx cannot end; on Windows it allocates an error number.
func (c *Client) AskAppend(ctx context.Context, dst, request []byte) (Answer, error) {
	if err := c.checkLength(request); err != nil {
		return Answer{}, err
	}
	if !c.o.Promiscuous && c.isGroup() {
		return Answer{}, fmt.Errorf(
			"ask %v: the answers come from other addresses; use a promiscuous client", c.server)
	}
	if ctx.Done() != nil {
		defer c.interruptAfter(ctx)()
	}
	q := question{client: c, request: request, dst: dst}
	return q.ask(ctx)
}

// isGroup says whether the server's address is one that nobody answers from, as far as it shows.
func (c *Client) isGroup() bool {
	ip := c.server.Addr()
	return ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func (c *Client) checkLength(data []byte) error {
	if limit := core.MaxPayload(c.server.Addr()); len(data) > limit {
		return fmt.Errorf("send %d bytes to %v: %w, which carries %d at most",
			len(data), c.server, ErrTooLong, limit)
	}
	return nil
}

// write sends data. A kernel reports by it, and sends nothing, what the server's host said of an earlier
// datagram; then write sends again and returns that word too.
func (c *Client) write(data []byte) (word, err error) {
	to := c.server
	if c.o.Connect {
		to = netip.AddrPort{}
	}
	_, _, err = c.socket.WriteMsgUDPAddrPort(data, nil, to)
	if err != nil && causeOfSend(err) == refused {
		word = err
		_, _, err = c.socket.WriteMsgUDPAddrPort(data, nil, to)
	}
	return word, err
}

func (c *Client) sendError(data []byte, err error) error {
	if causeOfSend(err) == tooLong {
		return fmt.Errorf("send %d bytes to %v: %w on that way: %w", len(data), c.server, ErrTooLong, bare(err))
	}
	return fmt.Errorf("send %d bytes to %v: %w", len(data), c.server, bare(err))
}

// interruptAfter ends the waits of c when ctx ends, until what it returns has been called.
func (c *Client) interruptAfter(ctx context.Context) (stop func()) {
	ended := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = c.socket.SetReadDeadline(longAgo()) // fails on a closed socket only
		close(ended)
	})
	return func() {
		if !cancel() {
			<-ended // else it could end a wait of the next question
		}
	}
}
