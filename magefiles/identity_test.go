package main

import "testing"

// A program that does not say which build it is must not be released.
func TestIdentity(t *testing.T) {
	whole := identity{
		Version: "v1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Time: "2026-11-23T02:00:00Z",
		Go: "go1.26.8", Wazero: "v1.12.0", Platform: "linux/amd64",
	}
	const file = "retort_1.2.3_linux_amd64.tar.gz"
	if err := whole.check(file, "linux/amd64"); err != nil {
		t.Errorf("a whole identity: %v", err)
	}
	for name, spoil := range map[string]func(id *identity){
		"no version":       func(id *identity) { id.Version = "(devel)" },
		"another version":  func(id *identity) { id.Version = "v1.2.4" },
		"no commit":        func(id *identity) { id.Commit = "" },
		"no time":          func(id *identity) { id.Time = "" },
		"no Go":            func(id *identity) { id.Go = "" },
		"no wazero":        func(id *identity) { id.Wazero = "" },
		"another platform": func(id *identity) { id.Platform = "linux/arm64" },
	} {
		id := whole
		spoil(&id)
		if err := id.check(file, "linux/amd64"); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	snapshot := whole
	snapshot.Version = "v0.0.0-20261123020000-0123456789ab"
	if err := snapshot.check("retort_0.0.1~next_amd64.deb", "linux/amd64"); err != nil {
		t.Errorf("a snapshot: %v", err)
	}
}
