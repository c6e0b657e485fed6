// Command goguest is a guest in Go without any help: it shows what Go's runtime asks of the host. The request's
// first byte says what it does.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"
)

func main() {}

var window []byte

//go:wasmexport retort_v1_window
func retortWindow(size uint32) uint32 {
	window = make([]byte, size+16)
	return (uint32(uintptr(unsafe.Pointer(&window[0]))) + 15) &^ 15
}

//go:wasmexport retort_v1_reply
func retortReply(req, reqLen, out, outCap, meta uint32) int32 {
	base := uint32(uintptr(unsafe.Pointer(&window[0])))
	request := window[req-base:][:reqLen]
	answer := reply(request)
	return int32(copy(window[out-base:][:outCap], answer))
}

var (
	garbage []*[]byte
	kept    []string
)

func reply(request []byte) []byte {
	if len(request) == 0 {
		return nil
	}
	switch request[0] {
	case 'x':
		os.Exit(3)
	case 'k': // keep
		kept = append(kept, string(request))
		return request
	case 'v': // what has been kept
		return append([]byte{byte(len(kept))}, strings.Join(kept, "")...)
	case 'n': // the time
		return binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
	case 'r':
		b := make([]byte, 16)
		rand.Read(b)
		return b
	case 'g': // garbage, and a collection
		for range 10_000 {
			b := make([]byte, 1000)
			garbage = append(garbage[max(0, len(garbage)-100):], &b)
		}
		runtime.GC()
		return []byte("collected")
	case 'c': // goroutines
		var wg sync.WaitGroup
		sums := make(chan int)
		for i := range 100 {
			wg.Go(func() { runtime.Gosched(); sums <- i })
		}
		go func() { wg.Wait(); close(sums) }()
		sum := 0
		for s := range sums {
			sum += s
		}
		return fmt.Append(nil, sum)
	case 't': // a timer that need not fire
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		done := make(chan struct{})
		go close(done)
		select {
		case <-ctx.Done():
			return []byte("timeout")
		case <-done:
			return []byte("done")
		}
	case 'b': // a timer in the background, for ever
		go func() {
			for range time.Tick(time.Millisecond) {
			}
		}()
		runtime.Gosched()
		return []byte("ticking")
	case 's': // nothing wakes it
		time.Sleep(time.Millisecond)
		return []byte("slept")
	case 'p':
		panic("the request says so")
	case 'w':
		<-make(chan int)
	case 'o':
		fmt.Println("to standard output")
		println("to standard", "error")
		return []byte("printed")
	case 'e':
		_, err := os.ReadFile("/etc/passwd")
		return fmt.Append(nil, err, len(os.Args), len(os.Environ()))
	}
	return []byte(strings.ToUpper(string(request)))
}
