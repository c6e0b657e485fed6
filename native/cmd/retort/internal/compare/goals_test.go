package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each goal is about servers and a workload that there are; a name that is misspelt would never be measured.
func TestGoalsAreOfServers(t *testing.T) {
	root, err := filepath.Abs("../../../../..")
	if err != nil {
		t.Fatal(err)
	}
	var all []recipe
	for _, list := range sets {
		more, err := list(&bench{root: root})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	for _, g := range goals {
		for _, name := range []string{g.server, g.with} {
			if !slices.ContainsFunc(all, func(r recipe) bool { return r.name == name }) {
				t.Errorf("no server is called %q", name)
			}
		}
		if !slices.ContainsFunc(allWorkloads, func(w workload) bool { return w.name == g.workload }) {
			t.Errorf("no workload is called %q", g.workload)
		}
	}
}

// A goal is reached when the interval reaches it, and says nothing where one of its servers was not measured.
func TestWriteGoals(t *testing.T) {
	w := workload{name: "256 outstanding"}
	results := []result{
		made(w, server{name: "Retort"}, 0, 0, 90, 91, 92, 93, 94, 95),
		made(w, server{name: "C, recvmmsg"}, 0, 0, 100, 100, 100, 100, 100, 100),
		made(w, server{name: "Go, net"}, 0, 0, 80, 80, 80, 80, 80, 80),
	}
	var text strings.Builder
	if err := writeGoals(&text, options{}, results); err != nil {
		t.Fatal(err)
	}
	const want = `
| workload | server | with | goal | ratio | reached |
| --- | --- | --- | ---: | ---: | --- |
| 256 outstanding | Retort | C, recvmmsg | 0.95 | 0.93 [0.90, 0.95] | yes |
| 256 outstanding | Retort | Go, net | 1.45 | 1.16 [1.12, 1.19] | no |
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", &text, want)
	}
	text.Reset()
	if err := writeGoals(&text, options{}, results[:1]); err != nil || text.Len() > 0 {
		t.Errorf("of one server alone: %q, %v", &text, err)
	}
}
