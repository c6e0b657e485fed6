package main

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// publishedVersion is what this tree is called where tests take it from a module proxy.
const publishedVersion = "v0.1.0"

// stranger returns the environment of somebody who has a network and no checkout: the go command takes this tree from a
// folder, as from a module proxy (go help goproxy), and everything else from what this machine downloaded to build it.
// It keeps its modules where nobody else looks for them.
func stranger(t *testing.T) []string {
	t.Helper()
	asked, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(asked))
	downloaded := filepath.Join(caches[0], "cache", "download")
	if archives, _ := filepath.Glob(filepath.Join(downloaded, "golang.org", "x", "sys", "@v", "*.zip")); len(archives) == 0 {
		t.Skip("there is no archive of golang.org/x/sys in the module cache: go mod download golang.org/x/sys")
	}
	proxy := t.TempDir()
	if err := publish(filepath.Join(proxy, filepath.FromSlash(modulePath), "@v")); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(),
		"GOPROXY="+fileURL(proxy)+","+fileURL(downloaded)+",off",
		"GOSUMDB=off", "GOTOOLCHAIN=local", "GOWORK=off",
		"GOCACHE="+caches[1],
		"GOMODCACHE="+t.TempDir(),
		"GOFLAGS=-modcacherw -pgo=off", // a test's folder must be removable, and what it builds need not be fast
	)
}

func fileURL(dir string) string {
	return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/") // Windows has a drive there, and no slash
}

// publish writes into dir what a proxy has of this tree, but for its tests.
func publish(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	module, err := os.ReadFile(filepath.Join(moduleRoot, "go.mod"))
	if err != nil {
		return err
	}
	name := filepath.Join(dir, publishedVersion)
	archive, err := os.Create(name + ".zip")
	if err != nil {
		return err
	}
	defer archive.Close()
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "list"), []byte(publishedVersion+"\n"), 0o644),
		os.WriteFile(name+".info", []byte(`{"Version":"`+publishedVersion+`","Time":"2026-01-01T00:00:00Z"}`), 0o644),
		os.WriteFile(name+".mod", module, 0o644),
		pack(archive))
}

// pack writes this tree into the archive of a module.
func pack(out io.Writer) error {
	archive := zip.NewWriter(out)
	add := func(name string) error {
		below, err := filepath.Rel(moduleRoot, name)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		header := zip.FileHeader{Name: modulePath + "@" + publishedVersion + "/" + filepath.ToSlash(below), Method: zip.Store}
		w, err := archive.CreateHeader(&header)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	for _, part := range []string{"go.mod", "LICENSE", "core", "native", "wasmhandler"} {
		err := filepath.WalkDir(filepath.Join(moduleRoot, part), func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && slices.Contains([]string{"testdata", "node_modules", "target"}, e.Name()):
				return fs.SkipDir
			case !e.Type().IsRegular() || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			return add(name)
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

// A project in Go that a published version begins takes the SDK from where modules are published.
func TestPublishedGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("building what is shown takes seconds")
	}
	if race.Enabled {
		t.Skip("with the race detector, compiling a guest in Go takes more than a compiler may")
	}
	for _, program := range []string{"go", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed here", program)
		}
	}
	language, err := sdk.Named("go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := language.Files(sdk.Project{Name: "hello", Version: publishedVersion})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commands := exec.Command("sh", "-e", "-c", language.BuildCommands("hello")+"\n"+language.Check("hello")+" --quick")
	commands.Dir, commands.Env = dir, stranger(t)
	out, err := commands.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "pass  vectors") {
		t.Errorf("%v: %v\n%s", commands, err, out)
	}
}
