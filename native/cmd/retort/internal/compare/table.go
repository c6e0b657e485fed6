package main

// What comes out of it.

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// reference is a server that the others are compared with, and the heading of its column.
type reference struct {
	is      role
	heading string
}

var references = []reference{
	{batches, "× C recvmmsg"},
	{plain, "× plain Go"},
	{scripting, "× Python"},
	{alone, "× alone"},
}

// writeTable prints the results as one table in Markdown, with a part for each workload. Machine says what
// they were taken on.
func writeTable(out io.Writer, machine string, o options, results []result) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s.\n\n", machine)
	compared := "as fast as another server"
	if o.by == byCPU {
		compared = "as many replies as another server gives in the same processor time"
	}
	fmt.Fprintf(&text, `%d rounds of %v, after %v of warm-up; requests of %d bytes. All figures are medians over the rounds.
× is how many times %s, round by round, with a 95%% confidence interval.
CPU is the processor time that the server took for a reply, and busy its share of a processor: far below 100%%
it is the load generator, and not the server, that is measured.
`, o.rounds, o.duration, o.warmup, requestSize, compared)
	used := slices.DeleteFunc(slices.Clone(references), func(r reference) bool { return r.in(results) == nil })
	text.WriteString("\n| server | replies/s, or p50 and p99 |")
	for _, r := range used {
		fmt.Fprintf(&text, " %s |", r.heading)
	}
	text.WriteString(" CPU | busy | lost |\n| --- | ---: |" + strings.Repeat(" ---: |", len(used)+3) + "\n")
	for part := range parts(results) {
		fmt.Fprintf(&text, "| *%s* |%s\n", part[0].workload.title, strings.Repeat(" |", len(used)+4))
		for _, r := range part {
			writeRow(&text, r, part, used, o.by)
		}
	}
	_, err := out.Write(text.Bytes())
	return err
}

// in returns the result of the reference among those of one workload, nil if it was not measured.
func (ref reference) in(part []result) *result {
	i := slices.IndexFunc(part, func(r result) bool { return r.server.is == ref.is })
	if i < 0 {
		return nil
	}
	return &part[i]
}

func rateOf(m measurement) float64 { return m.Rate }

// parts cuts results into those of one workload each.
func parts(results []result) func(yield func([]result) bool) {
	return func(yield func([]result) bool) {
		for len(results) > 0 {
			n := 1
			for n < len(results) && results[n].workload.name == results[0].workload.name {
				n++
			}
			if !yield(results[:n]) {
				return
			}
			results = results[n:]
		}
	}
}

func writeRow(text *bytes.Buffer, r result, part []result, used []reference, by string) {
	fmt.Fprintf(text, "| %s | %s |", r.server.name, r.figure())
	for _, ref := range used {
		other := ref.in(part)
		if other.server.name == r.server.name {
			text.WriteString(" 1 |")
			continue
		}
		fmt.Fprintf(text, " %v |", ratio(r, *other, by))
	}
	var lost, sent float64
	for _, m := range r.rounds {
		lost += float64(m.Lost)
		sent += float64(m.Sent)
	}
	fmt.Fprintf(text, " %s | %s | %s |\n", r.cpu(), r.busy(), percent(lost/sent))
}

// figure is what a server does by itself.
func (r *result) figure() string {
	if !r.workload.latency {
		return thousands(r.median(rateOf))
	}
	p50 := r.median(func(m measurement) float64 { return float64(m.Latency.P50) })
	p99 := r.median(func(m measurement) float64 { return float64(m.Latency.P99) })
	return micros(p50) + ", " + micros(p99)
}

// cpu is the processor time of a reply.
func (r *result) cpu() string {
	ns := r.median(func(m measurement) float64 { return float64(m.CPU) })
	if ns == 0 {
		return "?"
	}
	return fmt.Sprintf("%.2f µs", ns/float64(time.Microsecond))
}

// busy is how much of a processor the server took.
func (r *result) busy() string {
	share := r.median(func(m measurement) float64 { return m.CPU.Seconds() * m.Rate })
	if share == 0 {
		return "?"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

// ratio compares two servers round by round.
func ratio(r, with result, by string) estimate {
	value := func(m measurement) float64 { return r.workload.value(m, by) }
	list, others := r.each(value), with.each(value)
	for i := range list {
		list[i] /= others[i]
	}
	return estimateMedian(list)
}

// String returns the median, and the interval if there is one.
func (e estimate) String() string {
	if e.coverage == 0 {
		return fmt.Sprintf("%.2f", e.median)
	}
	return fmt.Sprintf("%.2f [%.2f, %.2f]", e.median, e.low, e.high)
}

// thousands writes a number with commas.
func thousands(f float64) string {
	s := fmt.Sprintf("%.0f", f)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func micros(ns float64) string { return fmt.Sprintf("%.1f µs", ns/float64(time.Microsecond)) }

// percent writes a share, but never as 0 what is not 0.
func percent(share float64) string {
	switch {
	case share == 0:
		return "0"
	case share < 0.0001:
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", 100*share)
}
