package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/magefile/mage/sh"
)

// machine is a processor that qemu can be, and what the kernel knows its programs by: the beginning of an ELF header.
type machine struct {
	emulator    string
	class, data byte   // 1: 32-bit, 2: 64-bit; 1: the least significant byte comes first, 2: the most significant
	kind        string // e_type, an executable, and e_machine, in that order of bytes
}

var machines = map[string]machine{
	"arm64":   {"qemu-aarch64-static", 2, 1, "\x02\x00\xb7\x00"},
	"arm":     {"qemu-arm-static", 1, 1, "\x02\x00\x28\x00"},
	"riscv64": {"qemu-riscv64-static", 2, 1, "\x02\x00\xf3\x00"},
	"s390x":   {"qemu-s390x-static", 2, 2, "\x00\x02\x00\x16"},
}

// Qemu runs the tests for other processors under qemu: arm64, where modules are compiled, and s390x, whose bytes are
// in the other order. PROCESSORS names others: "riscv64 arm". Some of the command's tests are among them: each of its
// processes takes a second to start.
func (Test) Qemu() error {
	for _, p := range strings.Fields(cmp.Or(os.Getenv("PROCESSORS"), "arm64 s390x")) {
		m, known := machines[p]
		if !known {
			return fmt.Errorf("PROCESSORS: there is no emulator for %q here", p)
		}
		within, err := m.within(p)
		if err != nil {
			if err := skip("linux/%s: %v", p, err); err != nil {
				return err
			}
			continue
		}
		env := map[string]string{"GOARCH": p, "CGO_ENABLED": "0"}
		where := "linux/" + p + " under qemu"
		skip := notOnQemu
		if m.data == 2 {
			skip += "|" + notBigEndian
		}
		args := append([]string{"-short", "-timeout", "20m", "-skip", skip}, packages(onQemu)...)
		if err := goTest(within, where, env, args...); err != nil {
			return err
		}
		fmt.Printf("  not run: %s\n", skip)
		if os.Getenv("PACKAGES") != "" {
			continue
		}
		if err := goTest(within, where+", the command", env, "-run", commandOnQemu, "./native/cmd/retort"); err != nil {
			return err
		}
	}
	return nil
}

const (
	// These compile guests in Go, which takes a minute each, or hold millions of datagrams against the guard; one needs to
	// be told the MTU of a route (IP_MTU), which qemu does not pass on; and one wants a limit of memory, which qemu ignores.
	notOnQemu = "^(TestGoGuest|TestGoGuestAgain|TestGoCommand|TestHonestClients|TestLoops.*|TestFloodOfSources|TestStoreOfWithheldReplies|TestProbeMTUOfALink|TestProbeMTUOfAPath)$|^TestCanary$/^.*$/^go$|^TestCompileLimits$/^memory$"

	// The size of joined datagrams comes in a message (UDP_GRO) that qemu hands on in this machine's order of bytes.
	notBigEndian = "^(TestOffload|TestBatchesAllocateNothing|TestTroubleIsLoggedOnce|TestJoined.*)$"

	commandOnQemu = "^TestScripts$/^(client|handlers|guests|listen|port|version|refused)$"
)

// within returns a command in whose surroundings programs for m run, and what they start, too. The kernel may run them
// already; otherwise a private namespace is made in which it does, which takes Linux 6.7.
func (m machine) within(arch string) ([]string, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("qemu runs programs for Linux on Linux alone")
	}
	dir, err := os.MkdirTemp("", "retort-qemu")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	if err := os.WriteFile(source, []byte("package main\nfunc main() {}\n"), 0o600); err != nil {
		return nil, err
	}
	env := map[string]string{"GOARCH": arch, "CGO_ENABLED": "0"}
	if err := sh.RunWith(env, "go", "build", "-o", program, source); err != nil {
		return nil, err
	}
	if exec.Command(program).Run() == nil {
		return nil, nil
	}
	path, err := exec.LookPath(m.emulator)
	if err != nil {
		return nil, fmt.Errorf("%s (of qemu-user-static) is not installed here", m.emulator)
	}
	namespace := []string{
		"unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
		`mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
		printf %s "$1" >/proc/sys/fs/binfmt_misc/register
		shift; exec "$@"`, "sh", m.rule(path),
	}
	probe := exec.Command(namespace[0], append(namespace[1:], program)...)
	if out, err := probe.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("no namespace can be made in which qemu runs its programs: %s", strings.TrimSpace(string(out)))
	}
	return namespace, nil
}

// rule is what the kernel is told, in the form that its Documentation/admin-guide/binfmt-misc.rst describes. The type
// may also be the next one, of executables that can be anywhere in memory.
func (m machine) rule(path string) string {
	header := "\x7fELF" + string([]byte{m.class, m.data, 1}) + strings.Repeat("\x00", 9) + m.kind
	mask := []byte(strings.Repeat("\xff", 7) + "\x00" + strings.Repeat("\xff", 12))
	mask[15+m.data] = 0xfe // the lesser byte of the type
	return ":retort:M::" + escape(header) + ":" + escape(string(mask)) + ":" + path + ":F"
}

// escape writes every byte as the kernel reads it, for some would end the string.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, `\x%02x`, text[i])
	}
	return b.String()
}
