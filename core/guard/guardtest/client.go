package guardtest

import (
	"net/netip"
	"time"
)

// Client is an honest client that keeps a number of requests outstanding. Its network should lose nothing, so that
// whatever it misses is what the server did not answer; then it asks again.
type Client struct {
	Addr    netip.AddrPort
	Server  netip.AddrPort
	Window  int                // requests that are outstanding
	Think   time.Duration      // between a reply and the next request
	Left    int                // requests to send still; everything stops when there are no more
	Request func(n int) []byte // the payload of request n

	Sent, Got, Missed int

	asked   time.Duration // when it last did
	waiting bool          // for a reply, with a window of 1
}

// What a client is woken for.
const (
	alarmAsk = iota
	alarmRetry
)

// Start sends the first window of requests.
func (c *Client) Start(n *Network) {
	n.ends[c.Addr] = c
	for range c.Window {
		c.ask(n)
	}
	if c.Window == 1 {
		n.wake(c.patience(n), c, alarmRetry)
	}
}

// patience is when a client with one request outstanding gives the reply up for lost: later than anything is withheld.
func (c *Client) patience(n *Network) time.Duration {
	return 2*time.Second + 2*(n.Path.Latency+n.Path.Jitter) + n.Busy
}

func (c *Client) ask(n *Network) {
	if c.Left == 0 {
		n.stopped = true
		return
	}
	c.Left--
	data := c.Request(c.Sent)
	c.Sent++
	c.asked, c.waiting = n.now, true
	n.Send(c.Addr, c.Server, data)
}

func (c *Client) receive(n *Network, _ netip.AddrPort, _ []byte) {
	c.Got++
	c.waiting = false
	if c.Think > 0 {
		n.wake(c.Think, c, alarmAsk)
		return
	}
	c.ask(n)
}

func (c *Client) alarm(n *Network, why int) {
	if why == alarmAsk {
		c.ask(n)
		return
	}
	if c.waiting && n.now-c.asked >= c.patience(n) {
		c.Missed++
		c.ask(n)
	}
	n.wake(max(c.asked+c.patience(n)-n.now, time.Millisecond), c, alarmRetry)
}
