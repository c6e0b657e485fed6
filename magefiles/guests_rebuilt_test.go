package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// For each language whose modules are committed it is known what they were built by.
func TestCompilers(t *testing.T) {
	t.Chdir("..")
	recorded, err := readCompilers()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range sdk.Names() {
		language, err := sdk.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		if language.Committed() {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(recorded)); !slices.Equal(got, want) {
		t.Errorf("%s is about %v, want %v", compilersFile, got, want)
	}
	if got := slices.Sorted(maps.Keys(compilers)); !slices.Equal(got, want) {
		t.Errorf("compilers are known of %v, want %v", got, want)
	}
}
