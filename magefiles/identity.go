package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// identity is what "retort version --json" says of a build.
type identity struct{ Version, Commit, Time, Go, Wazero, Platform string }

// askIdentity has a released program say which build it is. Nothing may be missing: who reports a fault has no more
// to go by. The file is the archive or package that the program is of, whose name has the version, too.
func askIdentity(retort []string, file, platform string) error {
	out, err := exec.Command(retort[0], append(retort[1:], "version", "--json")...).Output()
	if err != nil {
		return fmt.Errorf("%s: retort version: %w", file, err)
	}
	var id identity
	if err := json.Unmarshal(out, &id); err != nil {
		return fmt.Errorf("%s: retort version --json prints %q: %w", file, out, err)
	}
	if err := id.check(filepath.Base(file), platform); err != nil {
		return fmt.Errorf("%s: retort version --json prints %s%w", file, out, err)
	}
	return nil
}

// check says what an identity lacks, or has wrong.
func (id identity) check(file, platform string) error {
	for _, field := range []struct{ name, value, pattern string }{
		{"version", id.Version, `^v\d+\.\d+\.\d+`},
		{"commit", id.Commit, `^[0-9a-f]{40}$`},
		{"time", id.Time, `^2\d\d\d-\d\d-\d\dT`},
		{"go", id.Go, `^go1\.\d+`},
		{"wazero", id.Wazero, `^v\d+\.\d+\.\d+`},
		{"platform", id.Platform, "^" + regexp.QuoteMeta(platform) + "$"},
	} {
		if !regexp.MustCompile(field.pattern).MatchString(field.value) {
			return fmt.Errorf("%s is %q, which %s does not match", field.name, field.value, field.pattern)
		}
	}
	// A snapshot's file has the version that comes next, and the program in it that of its commit.
	file = strings.ReplaceAll(file, "~", "-")
	version, snapshot := strings.TrimPrefix(id.Version, "v"), strings.Contains(file, "-next")
	if !snapshot && !strings.Contains(file, version) {
		return fmt.Errorf("version is %q, and the file is called %s", id.Version, file)
	}
	return nil
}
