//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowModule is one that no rule refuses and that takes a compiler many seconds: many functions, in each of which many
// variables are changed in many blocks.
func slowModule() []byte {
	const functions, variables, blocks = 100, 990, 100
	number := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	list := func(items ...[]byte) []byte { return append(number(len(items)), bytes.Join(items, nil)...) }
	sized := func(b []byte) []byte { return append(number(len(b)), b...) }
	section := func(id byte, b []byte) []byte { return append([]byte{id}, sized(b)...) }
	export := func(name string, kind byte, index int) []byte {
		return append(append(sized([]byte(name)), kind), number(index)...)
	}

	code := list(append(number(variables), 0x7f)) // i32
	for i := range blocks {
		code = append(code, 0x20, 0, 0x04, 0x40) // local.get 0, if
		code = append(append(code, 0x20), number(5+i)...)
		code = append(code, 0x41, 1, 0x6a) // i32.const 1, i32.add
		code = append(append(code, 0x21), number(5+i+1)...)
		code = append(code, 0x0b) // end
	}
	for i := range variables {
		code = append(append(append(code, 0x20), number(5+i)...), 0x1a) // drop
	}
	code = sized(append(code, 0x41, 0, 0x0b))
	window := sized(append(list(), 0x41, 0x80, 0x80, 0x04, 0x0b)) // i32.const 65536

	types, bodies := [][]byte{{1}}, [][]byte{window} // of the functions
	for range functions {
		types, bodies = append(types, []byte{0}), append(bodies, code)
	}
	return bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, list([]byte("\x60\x05\x7f\x7f\x7f\x7f\x7f\x01\x7f"), []byte("\x60\x01\x7f\x01\x7f"))),
		section(3, list(types...)),
		section(5, list([]byte{0, 4})),
		section(7, list(export("memory", 2, 0), export("retort_v1_window", 0, 0), export("retort_v1_reply", 0, 1))),
		section(10, list(bodies...)),
	}, nil)
}

// child is a process of another one's.
type child struct{ pid, group int }

// compilersOf returns the compilers that a process has started.
func compilersOf(t *testing.T, parent int) (compilers []child) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "ppid=", "-o", "pid=", "-o", "pgid=", "-o", "args=").Output()
	if err != nil {
		t.Skipf("there is no ps that shows processes: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		var c child
		var owner int
		_, err := fmt.Sscan(line, &owner, &c.pid, &c.group)
		if err == nil && owner == parent && strings.HasSuffix(line, " compile\n") {
			compilers = append(compilers, c)
		}
	}
	return compilers
}

// TestInterruptedCompiling: a signal to the whole group, as a terminal's Ctrl-C sends it, ends a command whose module is
// being compiled, with its compiler, and with the code that the command has for that.
func TestInterruptedCompiling(t *testing.T) {
	dir := t.TempDir()
	module, capture := filepath.Join(dir, "slow.wasm"), filepath.Join(dir, "c.pcapng")
	if err := os.WriteFile(module, slowModule(), 0o600); err != nil {
		t.Fatal(err)
	}
	p := liveProcess(t, exec.Command("retort", "server", "-p", "0", "--quiet", "--capture", capture))
	flood(t, p.addr, 1)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	for _, tt := range []struct {
		args   []string
		signal syscall.Signal
		code   int
	}{
		{[]string{"server", "-p", "0", "--no-cache", "--handler", module}, syscall.SIGINT, exitDone},
		{[]string{"server", "-p", "0", "--no-cache", "--handler", module}, syscall.SIGTERM, exitDone},
		{[]string{"server", "-p", "0", "--no-cache", "--handlers", dir}, syscall.SIGINT, exitDone},
		{[]string{"check", module}, syscall.SIGINT, exitFailure},
		{[]string{"replay", capture, "--no-cache", "--handler", module}, syscall.SIGINT, exitFailure},
		{[]string{"config", "check", "--no-cache", "--handlers", dir}, syscall.SIGTERM, exitFailure},
	} {
		t.Run(fmt.Sprint(tt.args[0], " ", tt.signal), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd, compiler := compiling(t, tt.args, &stdout, &stderr)
			if compiler.group == cmd.Process.Pid {
				t.Error("the compiler is in the command's group: a signal to that would end both")
			}
			if err := syscall.Kill(-cmd.Process.Pid, tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its code says more
			if code := cmd.ProcessState.ExitCode(); code != tt.code || stdout.Len() > 0 {
				t.Errorf("exit code %d, %q on standard output", code, &stdout)
			}
			want := ""
			if tt.code != exitDone {
				want = "interrupted\n"
			}
			if why := stderr.String(); !strings.HasSuffix(why, want) || want == "" && why != "" || want != "" && !reason.MatchString(why) {
				t.Errorf("it said %q", why)
			}
			awaitEnd(t, compiler.pid)
		})
	}
	t.Run("killed", func(t *testing.T) {
		cmd, compiler := compiling(t, []string{"server", "-p", "0", "--no-cache", "--handler", module}, nil, nil)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		awaitEnd(t, compiler.pid)
	})
}

// compiling starts a command, in a process group of its own, and waits until it has a compiler.
func compiling(t *testing.T, args []string, stdout, stderr *bytes.Buffer) (cmd *exec.Cmd, compiler child) {
	t.Helper()
	cmd = exec.Command("retort", args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if stdout != nil {
		cmd.Stdout, cmd.Stderr = stdout, stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test failed
	for deadline := time.Now().Add(patience); ; {
		if compilers := compilersOf(t, cmd.Process.Pid); len(compilers) > 0 {
			return cmd, compilers[0]
		}
		if time.Now().After(deadline) {
			t.Fatal("it has no compiler")
		}
	}
}

// awaitEnd waits until a process has ended. One that is nobody's child may be there as long as nobody asks for it.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d goes on", pid)
		}
	}
}
