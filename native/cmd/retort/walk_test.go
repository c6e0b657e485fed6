package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// guestGuide is the README that leads from nothing to an answering module, in each language.
func guestGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, "wasmhandler", "guest", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// walk is the first block of shell commands in text.
func walk(t *testing.T, text string) string {
	t.Helper()
	_, text, begins := strings.Cut(text, "```sh\n")
	text, _, ends := strings.Cut(text, "```")
	if !begins || !ends {
		t.Fatalf("there are no commands in\n%s", text)
	}
	return text
}

// Each language's commands are run as the guide shows them: the project is begun, built and checked. What a
// project's own README says is the same.
func TestGuideToGuests(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("the guide's commands are for a shell, and sh is not on this machine's path")
	}
	guide := guestGuide(t)
	for _, name := range sdk.Names() {
		t.Run(name, func(t *testing.T) {
			language, err := sdk.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			if race.Enabled && name == "go" {
				t.Skip("with the race detector, compiling a guest in Go takes more than a compiler may")
			}
			_, section, found := strings.Cut(guide, "\n## "+language.Title+"\n")
			if !found {
				t.Fatalf("the guide says nothing of %s", language.Title)
			}
			commands := walk(t, section)
			if !strings.HasPrefix(commands, "retort new "+name+" hello") {
				t.Fatalf("the guide's commands do not begin a project:\n%s", commands)
			}
			dir := walkDir(t, language)
			if !strings.Contains(guideOutput(t, sh, dir, language, commands), "pass  vectors") {
				t.Error("the vectors were not run")
			}
			readme, err := os.ReadFile(filepath.Join(dir, "hello", "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			if _, inProject, _ := strings.Cut(commands, "cd hello\n"); walk(t, string(readme)) != inProject {
				t.Errorf("the project's README says\n%sand the guide\n%s", walk(t, string(readme)), inProject)
			}
			if lines := strings.Count(string(readme), "\n"); lines > 12 {
				t.Errorf("the project's README has %d lines", lines)
			}
		})
	}
}

// walkDir is a folder with a checkout of Retort beside it, as the guide has it.
func walkDir(t *testing.T, language sdk.Language) string {
	t.Helper()
	temp := t.TempDir()
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(temp, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if language.Name == "go" {
		if err := os.Symlink(root, filepath.Join(temp, "retort")); err != nil {
			t.Skip("the guide's checkout is a link here: ", err)
		}
	}
	return dir
}

// guideOutput runs commands in dir; the test is skipped where a compiler is missing.
func guideOutput(t *testing.T, sh, dir string, language sdk.Language, commands string) string {
	t.Helper()
	tools, err := language.Toolchain(t.Context(), moduleRoot)
	if errors.Is(err, sdk.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// A test asks no registry: the compiler that npm would fetch is on the path, or else the test was skipped.
	commands = strings.ReplaceAll(commands, "npm install ", "true ")
	if strings.Contains(commands, "npm ") {
		if _, err := exec.LookPath("npm"); err != nil {
			t.Skip("npm is not installed here")
		}
	}
	cmd := exec.CommandContext(t.Context(), sh, "-e", "-c", commands)
	cmd.Dir, cmd.Env = dir, tools.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	return string(out)
}

// The guide's table has a row for each sample; where modules are committed, of the size that they have.
func TestGuideTable(t *testing.T) {
	guide := guestGuide(t)
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([A-Za-z ]+) \\| ([0-9]+) \\|")
	sizes := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(guide, -1) {
		sizes[m[1]+" "+m[2]] = m[3]
	}
	folders, err := filepath.Glob(filepath.Join(samples, "*-*"))
	if err != nil || len(folders) == 0 {
		t.Fatal("there are no samples", err)
	}
	for _, folder := range folders {
		base := filepath.Base(folder)
		hyphen := strings.LastIndexByte(base, '-')
		language, err := sdk.Named(base[hyphen+1:])
		if err != nil {
			t.Fatal(err)
		}
		name := base[:hyphen]
		shown, ok := sizes[name+" "+language.Title]
		if ok && language.Committed() { // the size of others is another with each version of Go
			info, err := os.Stat(filepath.Join(folder, name+".wasm"))
			if err != nil {
				t.Fatal(err)
			}
			ok = shown == strconv.FormatInt(info.Size(), 10)
		}
		if !ok {
			t.Errorf("the guide's table does not have %s as it is: go tool mage guests:report", base)
		}
	}
}
