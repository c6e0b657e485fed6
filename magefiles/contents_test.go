package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What does not belong into an archive is found there, and so is what is missing.
func TestCompareEntries(t *testing.T) {
	want, err := listed("# a comment\n\nhandlers 0644 LICENSE\nhandlers,deb 0644 handlers/*-c/*.wasm\ndeb 0755 usr/bin/retort\n")
	if err != nil {
		t.Fatal(err)
	}
	right := []entry{{"LICENSE", 0o644, "root"}, {"handlers/length-c/length.wasm", 0o644, "root"}}
	if err := compareEntries("handlers", right, want); err != nil {
		t.Errorf("what is right: %v", err)
	}
	for name, c := range map[string]struct {
		got  []entry
		says string
	}{
		"something more":     {append(right[:2:2], entry{"sdk/node_modules/x.js", 0o644, "root"}), "node_modules/x.js is not in"},
		"of another kind":    {append(right[:2:2], entry{"usr/bin/retort", 0o755, "root"}), "usr/bin/retort is not in"},
		"deeper than listed": {append(right[:2:2], entry{"handlers/length-c/old/a.wasm", 0o644, "root"}), "old/a.wasm is not in"},
		"something less":     {right[1:], "no LICENSE"},
		"a pattern unfilled": {right[:1], "no handlers/*-c/*.wasm"},
		"another mode":       {[]entry{right[1], {"LICENSE", 0o600, "root"}}, "LICENSE has mode 600, want 644"},
		"somebody's":         {[]entry{right[1], {"LICENSE", 0o644, "me (1000:1000)"}}, "belongs to me"},
	} {
		err := compareEntries("handlers", c.got, want)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// Every kind that contents.txt has things for is one that files are of.
func TestContents(t *testing.T) {
	want, err := listed(contents)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]bool)
	for name := range strings.FieldsSeq(artefacts) {
		kinds[kindOf(name)] = true
	}
	for _, c := range want {
		for _, kind := range c.kinds {
			if !kinds[kind] {
				t.Errorf("%s: no artefact is of the kind %s", c.pattern, kind)
			}
		}
	}
}

// Archives are opened as they are: one folder in an archive, folders that are empty in a package, and nothing of a
// package's own papers.
func TestEntries(t *testing.T) {
	write := func(name string, headers ...tar.Header) string {
		var text bytes.Buffer
		plain := gzip.NewWriter(&text)
		files := tar.NewWriter(plain)
		for _, h := range headers {
			if err := files.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := files.Close(); err != nil {
			t.Fatal(err)
		}
		if err := plain.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := func(name string, uid int) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Uid: uid}
	}
	folder := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }

	got, err := entries(write("a.apk", file(".PKGINFO", 0), folder("./var/"), folder("./var/empty/"), file("./etc/a", 7)), "apk")
	if err != nil || len(got) != 2 || got[0].name != "var/empty/" || got[1].name != "etc/a" || got[1].owner == "root" {
		t.Errorf("a package has %v (%v)", got, err)
	}
	got, err = entries(write("a.tar.gz", file("a-1/.gitignore", 0), file("a-1/b/c", 0)), "archive")
	if err != nil || len(got) != 2 || got[0].name != ".gitignore" || got[1] != (entry{"b/c", 0o644, "root"}) {
		t.Errorf("an archive has %v (%v)", got, err)
	}
	if got, err = entries(write("b.tar.gz", file("a-1/a", 0), file("b", 0)), "archive"); err == nil {
		t.Errorf("an archive of more than one folder has %v", got)
	}
}
