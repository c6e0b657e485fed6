package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const moduleRoot = "../../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// What the README shows in Go is built as it is shown: programs for this system, guests for WebAssembly.
func TestReadmePrograms(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed here")
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(programs) < 2 {
		t.Fatalf("the README has %d programs in Go, want one that embeds a server and one that is a guest", len(programs))
	}
	for _, p := range programs {
		dir := t.TempDir()
		source := filepath.Join(dir, "main.go")
		if err := os.WriteFile(source, []byte(p[1]), 0o644); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), source)
		build.Dir = moduleRoot
		if strings.Contains(p[1], "guest.Serve") {
			build.Args = append(build.Args[:2:2], "-buildmode=c-shared", "-o", filepath.Join(dir, "guest.wasm"), source)
			build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		}
		if out, err := build.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s\n%s", build, err, out, p[1])
		}
	}
}

// What the README links to is there.
func TestReadmeLinks(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(readme(t), -1)
	if len(links) == 0 {
		t.Fatal("the README has no links")
	}
	for _, link := range links {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(moduleRoot, link[1])); err != nil {
			t.Error(err)
		}
	}
}
