package abitest_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/retort-udp/retort/wasmhandler/abitest"
)

func ExampleRun() {
	wasm, err := os.ReadFile(filepath.Join("..", "..", "testdata", "handlers", "length-c", "length.wasm"))
	if err != nil {
		log.Fatal(err)
	}
	report, err := abitest.Run(context.Background(), "length.wasm", wasm, abitest.Options{Quick: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range report.Checks {
		fmt.Println(c.Status, c.Name)
	}
	// Output:
	// pass load
	// skip configuration
	// skip vectors
	// pass workers
	// pass sizes
	// pass room
	// pass request
	// skip is-response
	// skip idle
	// pass malformed
}
