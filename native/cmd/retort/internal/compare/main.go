// Command compare measures Retort beside other servers and prints one table: "go tool mage bench" runs it.
//
// Machines are noisy, and the same program differs from itself by tens of percent from one run to the next.
// So no figure is taken alone. A comparison goes round by round: in each round every server is started anew,
// put under the same load for a fraction of a second, and stopped, in an order that is drawn for the round.
// What is compared is the ratio of two servers within a round; the table shows the median of these ratios and
// an interval that holds the true median with a probability of 95% (interval.go says how). One reference is
// measured twice a round, so that the table shows how equal equal things look.
//
// Where other programs want the processors, too, replies a second say more about those than about servers. The
// processor time that a server takes for a reply says much the same then as on a quiet machine, within a few
// percent: -by cpu compares that. The instructions that a server executes outside the kernel for a reply do not
// depend on the machine's mood at all: -by instructions has valgrind count them.
//
// It lives beside the load generator, which it drives, below the command, because that is where the rule on
// imports lets both be; and as a program of its own, because nobody who installs Retort needs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// What servers can be compared by.
const (
	bySpeed = "speed" // replies a second, or how soon a reply comes
	byCPU   = "cpu"   // processor time of the server for a reply

	byInstructions = "instructions" // instructions of the server for a reply, outside the kernel
)

// options are the flags.
type options struct {
	rounds    int
	duration  time.Duration
	warmup    time.Duration
	seed      uint64
	by        string
	set       string
	servers   regexpFlag
	workloads regexpFlag
	other     string
	json      string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if err := compare(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "compare: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 21, "how often to measure each server")
	flags.DurationVar(&o.duration, "duration", 200*time.Millisecond, "how long to measure each time")
	flags.DurationVar(&o.warmup, "warmup", 50*time.Millisecond, "how long to load a server before that")
	flags.Uint64Var(&o.seed, "seed", 1, "what the order of servers follows from")
	flags.StringVar(&o.by, "by", bySpeed, "compare by `speed`, or by the cpu time (Linux) or the instructions of a reply")
	flags.StringVar(&o.set, "set", "servers", "compare Retort with other `servers`, or with itself under the operations of operators")
	flags.Var(&o.servers, "servers", "compare only servers whose names match this `regexp`")
	flags.Var(&o.workloads, "workloads", "use only workloads whose names match this `regexp`")
	flags.StringVar(&o.other, "other", "", "measure another build of the retort command, this `file`, too")
	flags.StringVar(&o.json, "json", "", "write each single measurement to this `file`, one a line")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("there is nothing to do with %q", flags.Args())
	case o.by != bySpeed && o.by != byCPU && o.by != byInstructions:
		err = fmt.Errorf("nothing is compared by %q: there are %s, %s and %s", o.by, bySpeed, byCPU, byInstructions)
	case sets[o.set] == nil:
		err = fmt.Errorf("no set of servers is called %q: there are %s", o.set, strings.Join(slices.Sorted(maps.Keys(sets)), " and "))
	case o.by == byCPU && runtime.GOOS != "linux":
		err = errors.New("only Linux tells the processor time of a server")
	case o.rounds < 1 || o.duration <= 0 || o.warmup < 0:
		err = errors.New("there is nothing to measure")
	}
	if err != nil {
		fmt.Fprintf(stderr, "compare: %v\n", err)
	}
	return o, err
}

// compare does it all. Whatever it started and made is gone when it returns.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "retort-compare")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(ctx, dir, stderr)
	if err != nil {
		return err
	}
	b.other = o.other
	servers, err := b.build(ctx, o.set, o.servers)
	if err != nil {
		return err
	}
	if o.by == byInstructions {
		return b.countInstructions(ctx, stdout, servers)
	}
	if err := b.pin(ctx); err != nil {
		return err
	}
	for _, s := range servers {
		if err := b.check(ctx, s); err != nil {
			return err
		}
	}
	results, err := measureAll(ctx, b, o, servers)
	if err != nil {
		return err
	}
	if o.json != "" {
		if err := writeJSON(o.json, results); err != nil {
			return err
		}
	}
	if err := writeTable(stdout, b.describe(ctx), o, results); err != nil {
		return err
	}
	return writeGoals(stdout, o, results)
}

// regexpFlag is a regular expression that matches everything unless one is given.
type regexpFlag struct{ *regexp.Regexp }

func (f *regexpFlag) Set(s string) (err error) {
	f.Regexp, err = regexp.Compile(s)
	return err
}

func (f *regexpFlag) String() string {
	if f.Regexp == nil {
		return ""
	}
	return f.Regexp.String()
}

func (f *regexpFlag) matches(s string) bool { return f.Regexp == nil || f.MatchString(s) }
