package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the README tells people to install is what a release has.
func TestInstall(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	artefacts, err := os.ReadFile("artefacts.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`retort[-_]VERSION[-_.a-z0-9]+`).FindAllString(string(readme), -1)
	if len(names) < 8 {
		t.Fatalf("the README names %d files of a release", len(names))
	}
	released := strings.Fields(string(artefacts))
	for _, name := range names {
		if !slices.Contains(released, name) {
			t.Errorf("the README has people install %s, which no release has", name)
		}
	}
}
