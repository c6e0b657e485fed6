package wasmhandler_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

func ExampleCompile() {
	wasm, err := os.ReadFile("testdata/length.wasm")
	if err != nil {
		log.Fatal(err)
	}
	m, err := wasmhandler.Compile(context.Background(), wasm, wasmhandler.Config{Name: "length"})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	// A server does this: an instance for each worker, and room for as much as it may send.
	h, err := m.ForWorker()
	if err != nil {
		log.Fatal(err)
	}
	reply, err := h.Reply(make([]byte, 0, core.MaxPayload4), &core.Datagram{
		Data: []byte("hello"),
		From: netip.MustParseAddrPort("192.0.2.7:46056"),
		Time: time.Now(),
	})
	fmt.Printf("%s, %v\n", reply, err)
	// Output: Your data was 5 bytes long, <nil>
}

func ExampleFault() {
	wasm, err := os.ReadFile("testdata/fault.wasm")
	if err != nil {
		log.Fatal(err)
	}
	m, err := wasmhandler.Compile(context.Background(), wasm, wasmhandler.Config{Name: "clumsy"})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	_, err = m.Reply(make([]byte, 0, 100), &core.Datagram{Data: []byte("unlucky"), Time: time.Now()})
	var f *wasmhandler.Fault
	if errors.As(err, &f) {
		fmt.Println(f.Cause, f.Functions)
	}
	fmt.Println(m.Stats().Faults[wasmhandler.CauseUnreachable])
	// Output:
	// unreachable [inner reply]
	// 1
}
