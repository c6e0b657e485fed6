package main

import (
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// workload is one kind of load, and what counts under it.
type workload struct {
	name    string
	title   string // a sentence on it, for the table
	load    load.Options
	latency bool // what counts is how soon replies come, not how many
}

// requestSize is the payload of every request in bytes, about that of the teaching listing's.
const requestSize = 32

var allWorkloads = []workload{
	{
		name:  "256 outstanding",
		title: "256 requests outstanding, on 8 sockets",
		load:  load.Options{Window: 256, Sockets: 8},
	},
	{
		name:  "1024 outstanding",
		title: "1,024 requests outstanding, on 8 sockets",
		load:  load.Options{Window: 1024, Sockets: 8},
	},
	{
		name: "bursts",
		title: "1,024 requests outstanding, on 8 sockets, sent and received as bursts (UDP_SEGMENT, UDP_GRO); " +
			"on loopback a burst is never cut for a server that takes it whole, which no network does",
		load: load.Options{Window: 1024, Sockets: 8, GSO: true},
	},
	{
		name:  "256 peers",
		title: "256 requests outstanding, each on a socket of its own",
		load:  load.Options{Window: 256, Sockets: 256},
	},
	{
		name:    "one outstanding",
		title:   "one request outstanding: how soon its reply comes",
		load:    load.Options{Window: 1, Sockets: 1},
		latency: true,
	},
}

// workloads returns those whose names match, as far as this system has them.
func workloads(only regexpFlag) (list []workload) {
	for _, w := range allWorkloads {
		w.load.Size, w.load.Expect = requestSize, load.Length
		if only.matches(w.name) && (load.HasGSO || !w.load.GSO) {
			list = append(list, w)
		}
	}
	return list
}

// value is what counts in a measurement: more is better.
func (w *workload) value(m measurement, by string) float64 {
	switch {
	case by == byCPU:
		return 1 / m.CPU.Seconds()
	case w.latency:
		return 1 / m.Latency.P50.Seconds()
	}
	return m.Rate
}
