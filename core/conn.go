package core

import (
	"errors"
	"net/netip"
	"time"
)

// Conn is a transport: a UDP socket, or memory in a test. Receive and Send are each for one goroutine at a
// time: the worker that owns the Conn as a rule, or two that each have a Batch of their own. The other
// methods may be called from any.
type Conn interface {
	// Receive waits for at least one datagram and puts what there is into b, replacing what b
	// held. When b.Until comes first, it returns without messages. It returns ErrInterrupted
	// after Interrupt. Any other error says that the Conn is of no more use: what befalls single
	// datagrams is no error, it is counted in b.Losses.
	Receive(b *Batch) error

	// Send sends the replies that b holds. One that cannot be sent costs itself only and is
	// counted in b.Losses; an error says that the Conn is of no more use.
	Send(b *Batch) error

	// Interrupt makes Receive return ErrInterrupted: at once when it is blocked, and from now
	// on. Send still works, so that a worker can finish its batch.
	Interrupt()

	// LocalAddr is the address that the Conn is bound to, with the real port.
	LocalAddr() netip.AddrPort

	// Close releases the Conn; a blocked Receive returns an error that wraps net.ErrClosed.
	Close() error
}

// ErrInterrupted is returned by Receive after Interrupt.
var ErrInterrupted = errors.New("interrupted")

// Message is what a transport received from one peer at once: a datagram, or several of one size
// that the kernel put together (Linux UDP_GRO).
type Message struct {
	Data    []byte         // valid until the next Receive
	Segment int            // bytes of each datagram in Data but the last, which may be shorter; 0: Data is one
	From    netip.AddrPort // the peer; replies go there
	To      netip.AddrPort // the address that the peer asked; replies leave from it

	// Group says that To is no address of one host but a broadcast or multicast one; a reply
	// leaves from whichever address the kernel chooses.
	Group bool
}

// Reply is one reply that waits to be sent.
type Reply struct {
	Message int    // index of the message that it answers
	Data    []byte // the payload
}

// Losses counts datagrams that a transport lost, by cause.
type Losses struct {
	Truncated   uint64 // requests larger than the receive buffer; a handler never sees a part
	Kernel      uint64 // requests that the kernel dropped because the receive buffer was full
	Unreachable uint64 // replies to a host, network or port that refused them
	TooLong     uint64 // replies larger than the way to the peer takes
	NoBuffer    uint64 // replies that found the send queue full
	Forbidden   uint64 // replies that a firewall or policy of this host refused
	Unsent      uint64 // replies that were lost for another reason
}

// Batch carries messages from a Conn to a worker and their replies back. A worker makes one and
// uses it for ever.
//
// Replies are packed: each begins where the one before it ends, so that a transport can hand runs
// of them to the kernel as one piece.
type Batch struct {
	Messages []Message // what Receive got; their order is that of arrival
	Replies  []Reply   // what Send is to send, in order
	Time     time.Time // when the messages arrived; read once a batch
	More     bool      // more datagrams were waiting already when Receive returned
	Losses   Losses    // since the worker last took them

	// Until is how long Receive waits at most; the zero Time is for ever. A worker sets it when it
	// has something to do then. A Conn need not heed it: that is done with the next datagram instead.
	Until time.Time

	arena []byte // the memory behind Replies
	used  int
}

// arenaSize leaves room for a largest reply behind 64 KiB of others.
const arenaSize = 2 * MaxPayload6

// NewBatch returns an empty Batch.
func NewBatch() *Batch { return &Batch{arena: make([]byte, arenaSize)} }

// Room returns an empty slice with the capacity of one reply of at most limit bytes, which lies
// behind the replies that b holds already. When there is no such room it returns nil: Send first,
// then call Clear. A limit above MaxPayload6 counts as MaxPayload6.
func (b *Batch) Room(limit int) []byte {
	limit = min(limit, MaxPayload6)
	if len(b.arena)-b.used < limit {
		return nil
	}
	return b.arena[b.used : b.used : b.used+limit]
}

// Answer queues data as the reply to b.Messages[message]. Data that was built in what Room
// returned stays where it is; other data, which must be no longer than that, is copied there.
func (b *Batch) Answer(message int, data []byte) {
	place := b.arena[b.used : b.used+len(data) : b.used+len(data)]
	if len(data) > 0 && &place[0] != &data[0] {
		copy(place, data)
	}
	b.Replies = append(b.Replies, Reply{message, place})
	b.used += len(data)
}

// Clear forgets the replies, after they were sent.
func (b *Batch) Clear() {
	b.Replies = b.Replies[:0]
	b.used = 0
}
