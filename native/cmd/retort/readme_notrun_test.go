package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// notRun are the commands in documents that no test runs as they stand there, each with the reason. What can be known of
// them without that is checked; check is given what the parentheses match. TestDocumentsCommands runs all others.
var notRun = []struct {
	why     string
	command *regexp.Regexp
	check   func(t *testing.T, parts []string) error
}{
	{"it takes minutes or runs this test: the target is there, and reads the variable",
		regexp.MustCompile(`^(?:([A-Z]+)=(?:"[^"]*"|\S+) )?go tool mage ([a-z]\S*)(?: -[a-z]+=\S+)*$`), mageTarget},
	{"it takes half an hour and installs packages: the script is there",
		regexp.MustCompile(`^bash (\S+)$`), func(_ *testing.T, parts []string) error { return inTree(parts[0]) }},
	{"it asks the network: the address is the module's",
		regexp.MustCompile(`^git clone (\S+)$`), func(_ *testing.T, parts []string) error {
			return same(parts[0], "https://"+modulePath)
		}},
	{"it takes what is published: the command is there, and TestInstalled installs this tree",
		regexp.MustCompile(`^go install ` + regexp.QuoteMeta(modulePath) + `/(\S+)@latest$`),
		func(_ *testing.T, parts []string) error { return inTree(parts[0] + "/main.go") }},
	{"it takes a release, and another system: a release has the file",
		regexp.MustCompile(`^(?:sudo apt install \./|sudo rpm -i |sudo apk add --allow-untrusted |sudo pacman -U |tar xz?f )(\S+)$`), artefact},
	{"it takes a release: done with the sums of something else",
		regexp.MustCompile(`^(sha256sum --check --ignore-missing checksums\.txt)$`), checksums},
	{"it takes a release: the workflow attests what has this repository's name",
		regexp.MustCompile(`^gh attestation verify (\S+) --repo (\S+)$`), attestation},
	{"it takes a root and systemd: the unit is there, and can be enabled",
		regexp.MustCompile(`^sudo systemctl enable --now (\S+)$`), unit},
	{"it asks the network: the target is the one that guests are built for",
		regexp.MustCompile(`^rustup target add (\S+)$`), rustTarget},
	{"it takes minutes: the test and its flag are there",
		regexp.MustCompile(`^go test \./(\S+) -run (\w+) -v -(\w+)$`), longTest},
	{"it writes into this tree: the program knows the word",
		regexp.MustCompile(`^go run \./(wasmhandler/internal/hostile/corpus) (build|record)$`), corpusVerb},
	{"NAME is nobody's: done with a module that there is",
		regexp.MustCompile(`^(go run \./wasmhandler/internal/hostile/corpus (?:run|write)) NAME$`), corpusCase},
	{"it is the form of a command, or its name: the command, its flags and the number of its arguments are right",
		regexp.MustCompile(`^retort (\S+|.*\b[A-Z]{4,}\b.*)$`), form},
}

// What the documents show and no test runs is right as far as that can be told. Each reason is needed.
func TestDocumentsCommandsNotRun(t *testing.T) {
	if testing.Short() {
		t.Skip("building what is shown takes seconds")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed here")
	}
	used := map[string]int{}
	for _, d := range documents(t) {
		for _, s := range d.sections {
			for _, c := range s.commands() {
				for _, class := range notRun {
					m := class.command.FindStringSubmatch(c.line)
					if m == nil {
						continue
					}
					used[class.why]++
					if err := class.check(t, m[1:]); err != nil {
						t.Errorf("%s, %q: %s: %v", d.path, s.title, c.line, err)
					}
				}
			}
			for _, text := range s.inline() {
				if targetName.MatchString(text) {
					t.Errorf(`%s, %q: write "go tool mage %s"`, d.path, s.title, text)
				}
			}
		}
	}
	for _, class := range notRun {
		t.Logf("%3d %s", used[class.why], class.why)
		if used[class.why] == 0 {
			t.Errorf("no document has a command that is not run because %s", class.why)
		}
	}
}

// same compares what a document says with what is so.
func same(got, want string) error {
	if got != want {
		return fmt.Errorf("it says %s, and it is %s", got, want)
	}
	return nil
}

// inTree says whether a file is there.
func inTree(name string) error {
	_, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(name)))
	return err
}

// contains says whether a file has a text in it.
func contains(name, text string) error {
	content, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(name)))
	if err == nil && !bytes.Contains(content, []byte(text)) {
		err = fmt.Errorf("%s has no %q", name, text)
	}
	return err
}

// anyContains says whether one of the files that match pattern has a text in it.
func anyContains(pattern, text string) error {
	files, err := filepath.Glob(filepath.Join(moduleRoot, filepath.FromSlash(pattern)))
	if err != nil {
		return err
	}
	for _, file := range files {
		name, err := filepath.Rel(moduleRoot, file)
		if err == nil && contains(filepath.ToSlash(name), text) == nil {
			return nil
		}
	}
	return fmt.Errorf("none of %s has %q", pattern, text)
}

// mageTargets are the names that mage lists. Two more are not listed: other names of targets.
var mageTargets = sync.OnceValues(func() ([]string, error) {
	mage := exec.Command("go", "tool", "mage", "-l")
	mage.Dir = moduleRoot
	listed, err := mage.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", mage, err, listed)
	}
	names := []string{"test", "bench"}
	for _, m := range regexp.MustCompile(`(?m)^  (\S+)`).FindAllStringSubmatch(string(listed), -1) {
		names = append(names, strings.ToLower(m[1]))
	}
	return names, nil
})

func mageTarget(_ *testing.T, parts []string) error {
	variable, target := parts[0], parts[1]
	names, err := mageTargets()
	if err != nil {
		return err
	}
	if !slices.Contains(names, target) {
		return errors.New("mage has no such target")
	}
	if variable != "" {
		return anyContains("magefiles/*.go", `os.Getenv("`+variable+`")`)
	}
	return nil
}

func artefact(_ *testing.T, parts []string) error {
	return contains("magefiles/artefacts.txt", parts[0]+"\n")
}

// checksums runs the command beside a file of sums, one of which is of a file that is there.
func checksums(t *testing.T, parts []string) error {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		return nil // it is of Linux
	}
	dir := t.TempDir()
	content := []byte("a package")
	sums := fmt.Sprintf("%x  here.deb\n%x  elsewhere.deb\n", sha256.Sum256(content), sha256.Sum256(nil))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "here.deb"), content, 0o666),
		os.WriteFile(filepath.Join(dir, "checksums.txt"), []byte(sums), 0o666)); err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", parts[0])
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "here.deb: OK" {
		return fmt.Errorf("%w: %s", err, out)
	}
	return contains(".goreleaser.yaml", "name_template: checksums.txt")
}

func attestation(t *testing.T, parts []string) error {
	return errors.Join(artefact(t, parts[:1]), same("github.com/"+parts[1], modulePath),
		contains(".github/workflows/release.yml", "subject-checksums: dist/checksums.txt"))
}

func unit(_ *testing.T, parts []string) error {
	return errors.Join(contains("native/cmd/retort/packaging/systemd/"+parts[0]+".service", "\n[Install]\nWantedBy="),
		contains(".goreleaser.yaml", "dst: /usr/lib/systemd/system/"+parts[0]+".service"))
}

func rustTarget(_ *testing.T, parts []string) error {
	rust, err := sdk.Named("rust")
	if err == nil && !strings.Contains(rust.Module("hello"), "/"+parts[0]+"/") {
		err = fmt.Errorf("guests are built into %s", rust.Module("hello"))
	}
	return err
}

func longTest(_ *testing.T, parts []string) error {
	files := parts[0] + "/*_test.go"
	return errors.Join(anyContains(files, "\nfunc "+parts[1]+"(t *testing.T) {"), anyContains(files, `flag.Bool("`+parts[2]+`"`))
}

func corpusVerb(_ *testing.T, parts []string) error {
	return contains(parts[0]+"/main.go", fmt.Sprintf("case verb == %q", parts[1]))
}

// corpusCase does with one hostile module what is shown for any.
func corpusCase(_ *testing.T, parts []string) error {
	cmd := exec.Command("sh", "-c", parts[0]+" keeper")
	cmd.Dir = moduleRoot
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if len(out) == 0 {
		return errors.New("it says nothing")
	}
	return nil
}

// form has the command line taken apart as retort does, without doing what it says. A name alone needs no arguments.
func form(_ *testing.T, parts []string) error {
	args := strings.Fields(parts[0])
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		return err
	}
	if args[0] != "help" && cmd == cmd.Root() {
		return errors.New("there is no such command")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if len(args) == 1 {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
