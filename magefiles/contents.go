package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/magefile/mage/sh"
)

//go:embed contents.txt
var contents string

// content is what contents.txt says of one name, or of names alike.
type content struct {
	kinds   []string
	mode    fs.FileMode
	pattern string
}

// listed reads contents.txt.
func listed(text string) (all []content, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("contents.txt: %q does not have kinds, mode and pattern", line)
		}
		mode, err := strconv.ParseUint(fields[1], 8, 9)
		if err == nil {
			_, err = path.Match(fields[2], "")
		}
		if err != nil {
			return nil, fmt.Errorf("contents.txt: %q: %w", line, err)
		}
		all = append(all, content{strings.Split(fields[0], ","), fs.FileMode(mode), fields[2]})
	}
	return all, nil
}

// kindOf is what contents.txt calls a file of a release by its name; "" if it has nothing inside.
func kindOf(name string) string {
	for _, k := range []struct{ pattern, kind string }{
		{"retort-*-source.tar.gz", "source"},
		{"retort-handlers_*.tar.gz", "handlers"},
		{"*.tar.gz", "archive"},
		{"*.zip", "windows"},
		{"*.deb", "deb"},
		{"*.rpm", "rpm"},
		{"*.apk", "apk"},
		{"*.pkg.tar.zst", "arch"},
	} {
		if ok, _ := path.Match(k.pattern, name); ok {
			return k.kind
		}
	}
	return ""
}

// compareContents holds what is inside the files in dist against contents.txt.
func compareContents(dist string) error {
	want, err := listed(contents)
	if err != nil {
		return err
	}
	files, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	var wrong error
	opened := 0
	for _, file := range files {
		kind := kindOf(file.Name())
		if kind == "" || file.IsDir() {
			continue
		}
		got, err := entries(filepath.Join(dist, file.Name()), kind)
		if errors.Is(err, errMissing) {
			wrong = errors.Join(wrong, skip("what is in %s: %v", file.Name(), err))
			continue
		}
		if err == nil && kind == "source" {
			err = compareSource(got)
		} else if err == nil {
			err = compareEntries(kind, got, want)
		}
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", file.Name(), err))
		}
		opened++
	}
	if wrong == nil {
		fmt.Printf("%d of them opened: inside is what is listed\n", opened)
	}
	return wrong
}

// compareEntries says in what a file of that kind differs from what is wanted.
func compareEntries(kind string, got []entry, want []content) (err error) {
	fits := make([]bool, len(want))
	for _, e := range got {
		i := slices.IndexFunc(want, func(c content) bool {
			ok, _ := path.Match(c.pattern, e.name)
			return ok && slices.Contains(c.kinds, kind)
		})
		switch {
		case i < 0:
			err = errors.Join(err, fmt.Errorf("%s is not in magefiles/contents.txt", e.name))
			continue
		case e.mode != want[i].mode:
			err = errors.Join(err, fmt.Errorf("%s has mode %o, want %o", e.name, e.mode, want[i].mode))
		case e.owner != "root":
			err = errors.Join(err, fmt.Errorf("%s belongs to %s, want root", e.name, e.owner))
		}
		fits[i] = true
	}
	for i, c := range want {
		if !fits[i] && slices.Contains(c.kinds, kind) {
			err = errors.Join(err, fmt.Errorf("no %s", c.pattern))
		}
	}
	return err
}

// compareSource says in what the source archive differs from the commit.
func compareSource(got []entry) (err error) {
	out, err := sh.Output("git", "ls-tree", "--full-tree", "-r", "-z", "--name-only", "HEAD")
	if err != nil {
		return err
	}
	want := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for _, e := range got {
		if i := slices.Index(want, e.name); i >= 0 {
			want = slices.Delete(want, i, i+1)
		} else {
			err = errors.Join(err, fmt.Errorf("%s is not in the commit", e.name))
		}
	}
	for _, name := range want {
		err = errors.Join(err, fmt.Errorf("no %s", name))
	}
	return err
}
