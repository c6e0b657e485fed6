package guardtest

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// Client is an honest client that keeps a number of requests outstanding. Its network should lose nothing, so that
// whatever it misses is what the server did not answer; then it asks again.
type Client struct {
	Addr    netip.AddrPort
	Server  netip.AddrPort
	Window  int                // requests that are outstanding
	Bursts  bool               // they are sent all at once, when the last reply to those before has come
	Left    int                // requests to send still; everything stops when there are no more
	Request func(n int) []byte // the payload of request n

	// Think draws how long the client waits between a reply and the next request; if it is nil that is no time.
	Think func(*rand.Rand) time.Duration

	Sent, Got, Missed int

	asked time.Duration // when it last did
	open  int           // replies that it waits for
}

// What a client is woken for.
const (
	alarmAsk = iota
	alarmRetry
)

// Start sends the first window of requests.
func (c *Client) Start(n *Network) {
	n.ends[c.Addr] = c
	c.burst(n)
	if c.alternates() {
		n.wake(c.patience(n), c, alarmRetry)
	}
}

// alternates says whether there are moments at which nothing is on its way but the last reply, so that a client that
// misses it would wait for ever.
func (c *Client) alternates() bool { return c.Window == 1 || c.Bursts }

// patience is when such a client gives replies up for lost: later than anything is withheld.
func (c *Client) patience(n *Network) time.Duration {
	return 2*time.Second + 2*(n.Path.Latency+n.Path.Jitter+longestTail*n.Path.Tail) + n.Busy
}

// longestTail is how many times longer than usual the delay of no datagram is, but for one in 20,000 billion.
const longestTail = 30

func (c *Client) burst(n *Network) {
	for range c.Window {
		c.ask(n)
	}
}

func (c *Client) ask(n *Network) {
	if c.Left == 0 {
		n.stopped = true
		return
	}
	c.Left--
	data := c.Request(c.Sent)
	c.Sent++
	c.asked = n.now
	c.open++
	n.Send(c.Addr, c.Server, data)
}

func (c *Client) receive(n *Network, _ netip.AddrPort, _ []byte) {
	c.Got++
	c.open--
	if c.Bursts && c.open > 0 {
		return
	}
	if c.Think != nil {
		n.wake(c.Think(n.rng), c, alarmAsk)
		return
	}
	c.goOn(n)
}

// goOn asks what a reply has made room for.
func (c *Client) goOn(n *Network) {
	if c.Bursts {
		c.burst(n)
	} else {
		c.ask(n)
	}
}

func (c *Client) alarm(n *Network, why int) {
	if why == alarmAsk {
		c.goOn(n)
		return
	}
	if c.open > 0 && n.now-c.asked >= c.patience(n) {
		c.Missed += c.open
		c.open = 0
		c.goOn(n)
	}
	n.wake(max(c.asked+c.patience(n)-n.now, time.Millisecond), c, alarmRetry)
}
