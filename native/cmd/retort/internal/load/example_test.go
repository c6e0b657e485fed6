package load_test

import (
	"context"
	"fmt"
	"time"

	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

func ExampleRun() {
	conns, err := native.Listen("127.0.0.1:0", native.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conns[0].Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &server.Server{Handler: reply.Echo{}}
	go s.Serve(ctx, conns...)

	report, err := load.Run(ctx, load.Options{
		Target:  conns[0].LocalAddr(),
		Expect:  load.Echo,
		Window:  16,
		Count:   1000,
		Timeout: time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Answered, "of", report.Sent, "requests were answered")
	// Output: 1000 of 1000 requests were answered
}
