package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command as a user types it, by the scripts in testdata/script. Beside testscript's own
// commands there are:
//
//	exits CODE ARGS...      run "retort ARGS..." to its end; with any CODE but 0 it has said why, on one line
//	start NAME ARGS...      run "retort ARGS..." in the background; wait until it listens; set $NAME to its port,
//	                        and $NAME2 to that of its second listener
//	said NAME REGEXP        wait until NAME has printed a match
//	logged NAME REGEXP      the same of what it has said on standard error
//	end NAME                end it as a signal would, and expect exit code 0; "! end": end it and expect 1
//	ended NAME              wait until it ends by itself with exit code 0; "! ended": with 1
//	peer NAME ARGS...       the same as start, with Python and testdata/peer.py
//	same FILE GOLDEN        compare, with addresses that the system chose and the time of day masked; variables
//	                        in GOLDEN are expanded
//	alike FILE FILE         compare two files but for addresses and the time of day
//	lines FILE N            count lines
//	data FILE TEXT N        make a file: a text with the escapes of a Go string, N times
//	double NAME KIND        a server that behaves badly; see doubles_test.go
//
// What NAME printed is in the files NAME.out and NAME.err once it has ended.
func TestScripts(t *testing.T) {
	peer, err := filepath.Abs("testdata/peer.py")
	if err != nil {
		t.Fatal(err)
	}
	samples, err := filepath.Abs(samples)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PEER", peer)
			env.Setenv("SAMPLES", samples)
			env.Values[background{}] = make(map[string]*process)
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "ipv6":
				return hasIPv6(), nil
			case "localsockets":
				return hasLocalSockets(), nil
			case "wine":
				_, err := os.Stat(filepath.Join(os.Getenv("SystemRoot"), "system32", "winecfg.exe"))
				return runtime.GOOS == "windows" && err == nil, nil
			case "namespaces":
				return exec.Command("unshare", "--map-root-user", "--net", "true").Run() == nil, nil
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  cmdExits,
			"start":  cmdStart,
			"peer":   cmdPeer,
			"said":   cmdSaid,
			"logged": cmdLogged,
			"end":    cmdEnd,
			"ended":  cmdEnded,
			"same":   cmdSame,
			"alike":  cmdAlike,
			"lines":  cmdLines,
			"data":   cmdData,
			"double": cmdDouble,
		},
	})
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// hasLocalSockets is false under Wine.
func hasLocalSockets() bool {
	dir, err := os.MkdirTemp("", "retort") // the path of a socket must be short
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// patience is how long a test waits for what must happen. It bounds a test that fails, and decides nothing else.
const patience = 30 * time.Second

// background is the key of a script's processes by their names.
type background struct{}

// process is a command in the background.
type process struct {
	stdout, stderr output
	end            func()        // tells it to end
	done           chan struct{} // closed when it has
	code           int           // then: its exit code
}

// output keeps what is written and tells those who wait for it.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next Write
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.text.Write(p)
}

// now returns what was written, and a channel that is closed when there is more.
func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.text.String(), o.changed
}

// await waits for a match on standard output; it returns nil when the process ended without one.
func (p *process) await(re *regexp.Regexp) []string { return p.awaitIn(&p.stdout, re) }

func (p *process) awaitIn(o *output, re *regexp.Regexp) []string {
	deadline := time.After(patience)
	for {
		text, more := o.now()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.done:
			text, _ = o.now()
			return re.FindStringSubmatch(text)
		case <-deadline:
			return nil
		}
	}
}

// runInBackground runs the command within the test's own process.
func runInBackground(args ...string) *process {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{end: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.code = run(ctx, args, strings.NewReader(""), &p.stdout, &p.stderr)
	}()
	return p
}

func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(background{}).(map[string]*process)
}

func find(ts *testscript.TestScript, name string) *process {
	p := processes(ts)[name]
	if p == nil {
		ts.Fatalf("nothing called %s was started", name)
	}
	return p
}

// listens is the first line of every server; several lines say where it listens, too.
var listens = regexp.MustCompile(`^Listening at \('[^']*', (\d+)(?:, 0, \d+)?\)\r?\n(?:Listening at \('[^']*', (\d+)(?:, 0, \d+)?\)\n)?`)

// keep remembers p by its name, once it listens.
func keep(ts *testscript.TestScript, name string, p *process) {
	processes(ts)[name] = p
	ts.Defer(func() {
		p.end()
		select {
		case <-p.done:
		case <-time.After(patience):
			ts.Logf("%s does not end", name)
		}
	})
	ports := p.await(listens)
	if ports == nil {
		out, _ := p.stdout.now()
		err, _ := p.stderr.now()
		ts.Fatalf("%s does not listen\n[stdout]\n%s[stderr]\n%s", name, out, err)
	}
	ts.Setenv(name, ports[1])
	ts.Setenv(name+"2", ports[2])
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	code := exitDone
	err := ts.Exec("retort", args[1:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("the exit code is %d, not %s", code, args[0])
	}
	if why := ts.ReadFile("stderr"); code != exitDone && !reason.MatchString(why) {
		ts.Fatalf("standard error is no single line with a reason:\n%s", why)
	}
}

// reason is what standard error has when a command has failed.
var reason = regexp.MustCompile(`\Aretort[a-z -]*: \PC+\n\z`)

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARGS...")
	}
	args = append([]string{}, args...)
	for i, arg := range args { // the process is the test's own, and so is its directory
		if file, ok := strings.CutPrefix(arg, "@"); ok && file != "-" {
			args[i] = "@" + ts.MkAbs(file)
		} else if strings.HasSuffix(arg, ".wasm") {
			args[i] = ts.MkAbs(arg)
		}
	}
	keep(ts, args[0], runInBackground(args[1:]...))
}

func cmdSaid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: said NAME REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	p := find(ts, args[0])
	if p.await(re) == nil {
		text, _ := p.stdout.now()
		ts.Fatalf("%s did not say %s, but\n%s", args[0], args[1], text)
	}
}

func cmdLogged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logged NAME REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	p := find(ts, args[0])
	if p.awaitIn(&p.stderr, re) == nil {
		text, _ := p.stderr.now()
		ts.Fatalf("%s did not log %s, but\n%s", args[0], args[1], text)
	}
}

func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: end NAME")
	}
	find(ts, args[0]).end()
	cmdEnded(ts, neg, args)
}

func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: ended NAME")
	}
	p := find(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end", args[0])
	}
	out, _ := p.stdout.now()
	err, _ := p.stderr.now()
	ts.Logf("[%s ended with %d]\n[stdout]\n%s[stderr]\n%s", args[0], p.code, out, err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(out), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(err), 0o666))
	want := exitDone
	if neg {
		want = exitFailure
	}
	if p.code != want {
		ts.Fatalf("%s ended with exit code %d, not %d", args[0], p.code, want)
	}
}

// masks hide what no two runs have in common: ports that the system chose for a client, and the time of day.
var masks = []mask{
	{regexp.MustCompile(`((?:client at|packet from|assigned me the address|socket name is) \('[^']*', )[1-9]\d*`), "${1}CHOSEN"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?`), "DATETIME"},
}

// listener hides the port of a server.
var listener = mask{regexp.MustCompile(`(Listening at \('[^']*', )\d+`), "${1}CHOSEN"}

type mask struct {
	re   *regexp.Regexp
	with string
}

func masked(text string, masks ...mask) string {
	for _, m := range masks {
		text = m.re.ReplaceAllString(text, m.with)
	}
	return text
}

func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same FILE GOLDEN")
	}
	got := masked(ts.ReadFile(args[0]), masks...)
	if want := os.Expand(ts.ReadFile(args[1]), ts.Getenv); got != want {
		ts.Fatalf("%s is\n%sand not\n%s", args[0], got, want)
	}
}

func cmdAlike(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: alike FILE FILE")
	}
	all := append([]mask{listener}, masks...)
	one, two := masked(ts.ReadFile(args[0]), all...), masked(ts.ReadFile(args[1]), all...)
	if two = strings.ReplaceAll(two, "\r\n", "\n"); one != two {
		ts.Fatalf("%s is\n%sand %s is\n%s", args[0], one, args[1], two)
	}
}

func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE N")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, "\n"); strconv.Itoa(n) != args[1] || text != "" && !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s has %d lines, not %s:\n%s", args[0], n, args[1], text)
	}
}

func cmdData(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: data FILE TEXT N")
	}
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(text, n)), 0o666))
}
