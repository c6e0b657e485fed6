package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// argument returns the bytes that the value of a flag stands for: those of the file NAME for "@NAME", what
// stdin has for "@-", and itself otherwise. More than limit bytes are an error.
func argument(value string, stdin io.Reader, limit int) ([]byte, error) {
	name, isFile := strings.CutPrefix(value, "@")
	switch {
	case !isFile:
		return within([]byte(value), "it", limit)
	case name == "-":
		return readAll(stdin, "standard input", limit)
	}
	return readFile(name, limit)
}

// readFile returns what a file holds, unless that is more than limit bytes.
func readFile(name string, limit int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, limit)
}

// readAll reads one byte more than limit at most, so that a file without an end is no trap.
func readAll(r io.Reader, name string, limit int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	return within(text, name, limit)
}

func within(text []byte, name string, limit int) ([]byte, error) {
	if len(text) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return text, nil
}
