package main

import (
	"errors"
	"os/exec"
	"testing"
)

func TestParseInstructions(t *testing.T) {
	n, err := parseInstructions("==27321== \n==27321== I   refs:      1,973,065\n==27321== D   refs:  5\n")
	if n != 1_973_065 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := parseInstructions("Illegal instruction"); err == nil {
		t.Errorf("%d was found where there is none", n)
	}
}

// The smallest peer needs some instructions for a reply, but not thousands.
func TestInstructions(t *testing.T) {
	needGo(t)
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Skip("there is no valgrind here")
	}
	b := testBench(t)
	command, err := compileC("recvfrom.c")(t.Context(), b)
	if m, ok := errors.AsType[missing](err); ok {
		t.Skip(m)
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := b.instructions(t.Context(), valgrind, server{"C", command, ordinary})
	if err != nil || n < 20 || n > 1000 {
		t.Errorf("%v instructions a reply, %v", n, err)
	}
}
