// Soak runs a server for minutes or hours under full load, while it goes through everything that happens to servers in
// years: handlers are swapped, hostile modules come and go, datagrams are lost on purpose, requests are captured,
// metrics are scraped, the configuration changes, and the server hands over to its successors. It writes a report with a verdict:
//
//	go run ./native/cmd/retort/internal/soak -time 1h -report bin/soak.txt
//
// The server is a process of its own and is asked as anybody would ask it. The parts, as they are best read: main.go,
// what a run is; server.go, the process; churn.go, what is done to it; clients.go, who asks; sample.go, what is watched;
// verdict.go, what is thought of it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"
)

// options say what a run is.
type options struct {
	time    time.Duration // how long clients ask
	report  string        // the file that the report is written to
	program string        // the command; "": it is built
	tree    string        // the directory of the source, which has the modules
}

func main() {
	var o options
	flag.DurationVar(&o.time, "time", 2*time.Minute, "how long to soak")
	flag.StringVar(&o.report, "report", filepath.Join("bin", "soak.txt"), "file for the report")
	flag.StringVar(&o.program, "program", "", "the command to soak (default: the one that this tree makes)")
	flag.StringVar(&o.tree, "tree", ".", "directory of the source, which has the modules")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := soak(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

// errVerdict says that the report has a check that was not passed.
var errVerdict = errors.New("the verdict is bad")

// soak makes one run and writes its report. An error is errVerdict, or says why there was no run.
func soak(ctx context.Context, o options) (err error) {
	if o.time < time.Second {
		return fmt.Errorf("%v is no time to soak: it takes a second at least", o.time)
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.program == "" {
		if o.program, err = build(ctx, dir); err != nil {
			return err
		}
	}
	r, err := run(ctx, o, dir)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	passed, err := r.write(&text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.report), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(o.report, text.Bytes(), 0o666); err != nil {
		return err
	}
	fmt.Printf("%s\nThis is in %s, too.\n", &text, o.report)
	if !passed {
		return errVerdict
	}
	return nil
}

// run soaks one server.
func run(ctx context.Context, o options, dir string) (*result, error) {
	churn, err := newChurn(o.tree, dir)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, o.program, dir)
	if err != nil {
		return nil, err
	}
	defer s.kill()
	churn.server = s
	clients, err := newClients(ctx, s)
	if err != nil {
		return nil, err
	}
	sampler := &sampler{server: s}
	began := time.Now()
	soaking, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { churn.swapAll(soaking) })
	beside.Go(func() { churn.hurt(soaking) })
	beside.Go(func() { sampler.watch(soaking) })
	beside.Go(func() { s.handOverNowAndThen(soaking, o.time) })
	beside.Go(func() { s.reloadNowAndThen(soaking) })
	clients.ask(ctx, o.time)
	cancel()
	beside.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &result{
		elapsed: time.Since(began), clients: clients.all, churn: churn, samples: sampler.samples,
		sampleErrors: sampler.errors, handOvers: s.handOvers, handOverErrors: s.errors,
		reloads: s.reloads, reloadErrors: s.reloadErrors,
	}
	r.captured, err = captured(dir)
	if err != nil {
		return nil, err
	}
	r.alive, r.end = s.alive(), s.end()
	r.complaints, err = s.complaints()
	return r, err
}
