package native_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
)

// A server and a client in one program.
func Example() {
	conns, err := native.Listen("127.0.0.1:0", native.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conns[0].Close()

	s := &server.Server{Handler: core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return fmt.Appendf(dst, "Your data was %d bytes long", len(d.Data)), nil
	})}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error)
	go func() { served <- s.Serve(ctx, conns...) }()

	c, err := native.Dial(ctx, conns[0].LocalAddr().String(), native.ClientOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	answer, err := c.Ask(ctx, []byte("How long is this?"))
	fmt.Printf("%s %v\n", answer.Data, err)

	cancel()
	fmt.Println("the server ended:", <-served)
	// Output:
	// Your data was 17 bytes long <nil>
	// the server ended: <nil>
}

// Three lines serve a handler until ctx ends.
func ExampleListenAndServe() {
	echo := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return append(dst, d.Data...), nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	fmt.Println(native.ListenAndServe(ctx, "127.0.0.1:0", echo))
	// Output: <nil>
}

// A client that asks with growing patience, says so, and gives up.
func ExampleClient_Ask() {
	silent, err := native.Listen("127.0.0.1:0", native.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer silent[0].Close()

	ctx := context.Background()
	c, err := native.Dial(ctx, silent[0].LocalAddr().String(), native.ClientOptions{
		Connect:   true,
		FirstWait: time.Millisecond,
		Tries:     4,
		Jitter:    -1,
		Waiting: func(try int, wait time.Duration) {
			fmt.Printf("Waiting up to %v seconds for a reply\n", wait.Seconds())
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	_, err = c.Ask(ctx, []byte("Is anybody there?"))
	if no, ok := errors.AsType[*native.NoReplyError](err); ok {
		fmt.Printf("I think the server is down: it had %d requests\n", no.Tries)
	}
	// Output:
	// Waiting up to 0.001 seconds for a reply
	// Waiting up to 0.002 seconds for a reply
	// Waiting up to 0.004 seconds for a reply
	// Waiting up to 0.008 seconds for a reply
	// I think the server is down: it had 4 requests
}
