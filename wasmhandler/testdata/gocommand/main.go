// Command gocommand is an ordinary program as a handler: it answers with its input in capitals.
package main

import (
	"bytes"
	"io"
	"log"
	"os"
)

func main() {
	request, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if len(request) == 0 {
		os.Exit(1)
	}
	if request[0] == '!' {
		log.SetFlags(0)
		log.Print("no idea")
		os.Exit(3)
	}
	os.Stdout.Write(bytes.ToUpper(request))
}
