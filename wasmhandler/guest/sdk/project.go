package sdk

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"
)

// Project says what a new project is about.
type Project struct {
	Name string // of the guest, and of its files; CheckName says which are fit

	// Where the Go package guest comes from; other languages have a copy of their SDK in the project. One of the
	// two is given.
	SDK     string // the folder of a checkout of Retort
	Version string // a published version
}

// File is one file of a project.
type File struct {
	Name string // relative to the project's folder, with slashes
	Text []byte
}

// Files returns what a project in this language begins as: the source of a handler, its vectors, what the
// compiler has to know, and a README.md that says how it is built.
func (l Language) Files(p Project) ([]File, error) {
	if err := CheckName(p.Name); err != nil {
		return nil, err
	}
	var made []File
	for _, f := range slices.Concat(l.project, []file{
		{"NAME.vectors.txt", "template/vectors.txt.tmpl"},
		{"README.md", "template/README.md.tmpl"},
		{".gitignore", "template/gitignore"},
	}) {
		text, err := files.ReadFile(f.from)
		if err != nil {
			return nil, err
		}
		if path.Ext(f.from) == ".tmpl" {
			if text, err = l.fill(f.from, string(text), p); err != nil {
				return nil, err
			}
		}
		made = append(made, File{strings.ReplaceAll(f.name, "NAME", p.Name), text})
	}
	return made, nil
}

// fill executes a template.
func (l Language) fill(name, text string, p Project) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Name": p.Name, "Type": typeName(p.Name), "SDK": p.SDK, "Version": p.Version,
		"Title": l.Title, "Needs": l.needs, "Build": l.BuildCommands(p.Name), "Check": l.Check(p.Name),
		"Module": l.Module(p.Name), "Source": l.projectSource(p.Name),
	})
	return out.Bytes(), err
}

// BuildCommands is how a project is built in its folder, a line for each command.
func (l Language) BuildCommands(name string) string {
	return strings.ReplaceAll(strings.Join(l.build, "\n"), "NAME", name)
}

// Module is the file that a project is built into.
func (l Language) Module(name string) string {
	module := l.module
	if module == "" {
		module = "NAME.wasm"
	}
	return strings.ReplaceAll(module, "NAME", name)
}

// Check is the command that tests a project.
func (l Language) Check(name string) string {
	check := "retort check " + l.Module(name)
	if path.Dir(l.Module(name)) != "." {
		check += " --vectors " + name + ".vectors.txt" // which is not beside the module
	}
	return check
}

// projectSource is the file that whoever has a new project looks at first: the first that is named after the guest.
func (l Language) projectSource(name string) string {
	for _, f := range l.project {
		if strings.HasPrefix(path.Base(f.from), "guest.") || path.Base(f.from) == "lib.rs.tmpl" {
			return strings.ReplaceAll(f.name, "NAME", name)
		}
	}
	return ""
}

// taken are names that mean something to a compiler or to Windows.
var taken = strings.Fields(`
	retort core std alloc test proc_macro guest main internal vendor
	con prn aux nul
	as break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref
	return self static struct super trait true type unsafe use where while async await abstract become box do final
	macro override priv typeof unsized virtual yield try go chan defer func import interface map package range select
	switch var default case fallthrough goto`)

// maxName is how long a guest's name may be, in bytes.
const maxName = 40

// CheckName says what is wrong with the name of a guest. It becomes the name of files, packages and types.
func CheckName(name string) error {
	letters := func(r rune) bool { return 'a' <= r && r <= 'z' }
	fit := func(r rune) bool { return letters(r) || '0' <= r && r <= '9' || r == '_' }
	switch {
	case name == "":
		return errors.New("a guest has a name")
	case len(name) > maxName:
		return fmt.Errorf("the name %.20q... is longer than %d letters", name, maxName)
	case !letters(rune(name[0])) || strings.ContainsFunc(name, func(r rune) bool { return !fit(r) }):
		return fmt.Errorf("the name %q is not fit: it is made of a to z, 0 to 9 and _, and begins with a letter", name)
	case slices.Contains(taken, name):
		return fmt.Errorf("the name %q means something else to a compiler: take another", name)
	}
	return nil
}

// typeName is the name of a type: "my_echo" makes "MyEcho".
func typeName(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
