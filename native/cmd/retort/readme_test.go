package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const moduleRoot = "../../.."

// document is a file in Markdown: what people read here, and type what it shows.
type document struct {
	path     string // below the module's root, with slashes
	sections []section
}

// section is what stands below a heading, up to the next one.
type section struct {
	title  string
	prose  string // all but the blocks
	blocks []block
}

// block is what a document shows between two fences.
type block struct{ language, text string }

// command is what a document has people type.
type command struct {
	line       string
	background bool     // it ended in "&"
	prints     []string // what the document shows of its output, if anything
}

// documents are all that there are, so that a new one needs to be listed nowhere.
func documents(t *testing.T) (all []document) {
	t.Helper()
	err := filepath.WalkDir(moduleRoot, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch base := e.Name(); {
		case e.IsDir() && (slices.Contains([]string{"bin", "dist", "node_modules", "target"}, base) ||
			strings.HasPrefix(base, ".") && base != ".." && base != ".github"):
			return fs.SkipDir // what tools keep here
		case e.IsDir() || filepath.Ext(base) != ".md":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(moduleRoot, name)
		if err != nil {
			return err
		}
		all = append(all, document{filepath.ToSlash(below), sections(strings.ReplaceAll(string(text), "\r\n", "\n"))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(d document) bool { return d.path == "README.md" }) {
		t.Fatalf("there is no README.md among %d documents", len(all))
	}
	return all
}

// sections takes a document apart.
func sections(text string) []section {
	all := []section{{}}
	fenced := false
	for line := range strings.Lines(text) {
		last := &all[len(all)-1]
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence && !fenced:
			last.blocks = append(last.blocks, block{language: strings.TrimSpace(language)})
			fenced = true
		case fence:
			fenced = false
		case fenced:
			last.blocks[len(last.blocks)-1].text += line
		case strings.HasPrefix(line, "#"):
			all = append(all, section{title: strings.TrimSpace(strings.TrimLeft(line, "#"))})
		default:
			last.prose += line
		}
	}
	return all
}

// commands are those that a block shows: each line of "sh", and what stands behind a "$" in "console".
func (b block) commands() (all []command) {
	if b.language != "sh" && b.language != "console" {
		return nil
	}
	for line := range strings.Lines(b.text) {
		line = strings.TrimSuffix(line, "\n")
		typed, prompt := strings.CutPrefix(line, "$ ")
		if b.language == "console" && !prompt {
			last := &all[len(all)-1]
			last.prints = append(last.prints, line)
			continue
		}
		typed, _, _ = strings.Cut(typed, "  #") // a remark
		typed, background := strings.CutSuffix(strings.TrimSpace(typed), " &")
		if typed != "" {
			all = append(all, command{line: typed, background: background})
		}
	}
	return all
}

var (
	code       = regexp.MustCompile("`([^`]+)`")
	typable    = regexp.MustCompile(`^([A-Z]+=("[^"]*"|\S+) )*(bash|cargo|dig|gh|git|go|mage|npm|retort|rustup|sha256sum|sudo|systemctl|tar) \S`)
	flagInCode = regexp.MustCompile(`^--([a-z0-9-]+)`)
	targetName = regexp.MustCompile(`^[a-z]+:[a-z0-9]+$`)
)

// inline is what a section has in the typeface of code between its words.
func (s section) inline() (all []string) {
	for _, m := range code.FindAllStringSubmatch(s.prose, -1) {
		all = append(all, strings.Join(strings.Fields(m[1]), " "))
	}
	return all
}

// commands are all that a section shows, in its blocks and between its words.
func (s section) commands() (all []command) {
	for _, b := range s.blocks {
		all = append(all, b.commands()...)
	}
	for _, text := range s.inline() {
		if typable.MatchString(text) {
			all = append(all, command{line: text})
		}
	}
	return all
}

// What a document shows in Go is a whole program, and is built as it is shown: for this system, a guest for WebAssembly.
func TestDocumentsPrograms(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed here")
	}
	built := 0
	for _, d := range documents(t) {
		for _, s := range d.sections {
			for _, b := range s.blocks {
				if b.language == "go" {
					buildShown(t, d.path, b.text)
					built++
				}
			}
		}
	}
	if built < 2 {
		t.Fatalf("there are %d programs in Go, want one that embeds a server and one that is a guest at least", built)
	}
}

func buildShown(t *testing.T, where, source string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), file)
	build.Dir = moduleRoot
	if strings.Contains(source, "guest.Serve") {
		build.Args = append(build.Args[:2:2], "-buildmode=c-shared", "-o", filepath.Join(dir, "guest.wasm"), file)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %v\n%s\n%s", where, build, err, out, source)
	}
}

// Of other places only these are linked to: what is on the web is asked by no test.
var elsewhere = []string{
	"https://" + modulePath + "/releases",
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// What a document links to is there: the file, and the heading in it.
func TestDocumentsLinks(t *testing.T) {
	headings := map[string][]string{}
	all := documents(t)
	for _, d := range all {
		for _, s := range d.sections {
			headings[d.path] = append(headings[d.path], anchor(s.title))
		}
	}
	links := 0
	for _, d := range all {
		for _, s := range d.sections {
			for _, m := range link.FindAllStringSubmatch(s.prose, -1) {
				links++
				if strings.Contains(m[1], "://") {
					if !slices.Contains(elsewhere, m[1]) {
						t.Errorf("%s links to %s, which is not among the places that this test knows", d.path, m[1])
					}
					continue
				}
				file, heading, _ := strings.Cut(m[1], "#")
				target := path.Join(path.Dir(d.path), file)
				if file == "" {
					target = d.path
				}
				if _, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(target))); err != nil {
					t.Errorf("%s: %v", d.path, err)
				}
				if heading != "" && !slices.Contains(headings[target], heading) {
					t.Errorf("%s links to %s, and there is no such heading", d.path, m[1])
				}
			}
		}
	}
	if links == 0 {
		t.Error("no document links to anything")
	}
}

// anchor is what a heading is linked to by.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

// A flag that a document names is one that a command has.
func TestDocumentsFlags(t *testing.T) {
	flags := map[string]bool{}
	var collect func(cmd *cobra.Command)
	collect = func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag()
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		for _, sub := range cmd.Commands() {
			collect(sub)
		}
	}
	collect(newRoot())
	named := 0
	for _, d := range documents(t) {
		for _, s := range d.sections {
			for _, text := range s.inline() {
				if m := flagInCode.FindStringSubmatch(text); m != nil {
					named++
					if !flags[m[1]] {
						t.Errorf("%s, %q, names --%s, which no command has", d.path, s.title, m[1])
					}
				}
			}
		}
	}
	if named == 0 {
		t.Error("no document names a flag")
	}
}

// What the README shows of how fast things are is what was measured, line by line.
func TestDocumentsFigures(t *testing.T) {
	var measured, shown []string
	for _, d := range documents(t) {
		for _, s := range d.sections {
			switch lines := strings.Split(s.prose, "\n"); {
			case d.path == "native/cmd/retort/internal/compare/measured.md":
				measured = append(measured, lines...)
			case d.path == "README.md" && s.title == "How fast":
				shown = lines
			}
		}
	}
	rows := 0
	for _, line := range shown {
		if strings.HasPrefix(line, "| ") {
			rows++
			if !slices.Contains(measured, line) {
				t.Errorf("the README has a line that measured.md does not have:\n%s", line)
			}
		}
	}
	if rows < 10 {
		t.Errorf("the README shows %d rows of what was measured", rows)
	}
}

// The README says that there is no release as long as there is none.
func TestDocumentsRelease(t *testing.T) {
	tags := exec.Command("git", "tag", "--list", "v*")
	tags.Dir = moduleRoot
	listed, err := tags.Output()
	if err != nil {
		t.Skipf("this is no checkout of git: %v", err)
	}
	readme := documents(t)[slices.IndexFunc(documents(t), func(d document) bool { return d.path == "README.md" })]
	none := slices.ContainsFunc(readme.sections, func(s section) bool {
		return strings.Contains(s.prose, "No release has been made yet")
	})
	if none && len(listed) > 0 {
		t.Errorf("the README says that no release has been made yet, and there are %s", strings.Fields(string(listed)))
	}
}
