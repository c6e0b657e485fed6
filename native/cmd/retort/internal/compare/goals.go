package main

// What Retort means to reach.

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// goal is a ratio that a server means to reach with another one, under one workload.
type goal struct {
	workload     string
	server, with string // the names of servers
	atLeast      float64
}

// goals are about speed, so for one outstanding request a ratio of 0.87 is a median latency 1.15 times as long.
var goals = []goal{
	{"256 outstanding", "Retort", "C, recvmmsg", 0.95},
	{"1024 outstanding", "Retort", "C, recvmmsg", 0.95},
	{"256 outstanding", "Retort, GRO and GSO", "C, recvmmsg", 1},
	{"1024 outstanding", "Retort, GRO and GSO", "C, recvmmsg", 1},
	{"bursts", "Retort, GRO and GSO", "C, recvmmsg, GRO and GSO", 0.8},
	{"256 outstanding", "Retort, guest in C", "Retort", 0.93},
	{"1024 outstanding", "Retort, guest in C", "Retort", 0.93},
	{"bursts", "Retort, GRO and GSO, guest in C", "Retort, GRO and GSO", 0.5},
	{"256 outstanding", "Retort", "Go, net", 1.45},
	{"1024 outstanding", "Retort", "Go, net", 1.45},
	{"256 peers", "Retort", "Go, net", 1.25},
	{"256 outstanding", "Retort", "Python", 1.9},
	{"1024 outstanding", "Retort", "Python", 1.9},
	{"256 outstanding", "Retort, watched", "Retort, alone", 0.98},
	{"one outstanding", "Retort", "Go, net", 1},
	{"one outstanding", "Retort, spinning", "C, recvfrom, spinning", 1 / 1.15},
}

// writeGoals prints which goals were reached, of those whose two servers were measured; nothing if there is none.
// A goal is reached when the interval reaches it.
func writeGoals(out io.Writer, o options, results []result) error {
	var text bytes.Buffer
	for _, g := range goals {
		r, with := g.find(results, g.server), g.find(results, g.with)
		if r == nil || with == nil {
			continue
		}
		if text.Len() == 0 {
			text.WriteString("\n| workload | server | with | goal | ratio | reached |\n| --- | --- | --- | ---: | ---: | --- |\n")
		}
		e := ratio(*r, *with, o.by)
		reached := "yes"
		if max(e.median, e.high) < g.atLeast {
			reached = "no"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %.2f | %v | %s |\n", g.workload, g.server, g.with, g.atLeast, e, reached)
	}
	_, err := out.Write(text.Bytes())
	return err
}

func (g *goal) find(results []result, server string) *result {
	i := slices.IndexFunc(results, func(r result) bool {
		return r.workload.name == g.workload && r.server.name == server
	})
	if i < 0 {
		return nil
	}
	return &results[i]
}
