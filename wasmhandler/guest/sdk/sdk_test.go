package sdk_test

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// A project in any language has what people look for, and nothing in it is left to fill in.
func TestProjects(t *testing.T) {
	for _, name := range sdk.Names() {
		t.Run(name, func(t *testing.T) {
			language, err := sdk.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			files, err := language.Files(sdk.Project{Name: "my_echo", SDK: "/src/retort"})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, f := range files {
				if path.IsAbs(f.Name) || path.Clean(f.Name) != f.Name || strings.HasPrefix(f.Name, "..") {
					t.Errorf("%q is not inside the project", f.Name)
				}
				if slices.Contains(names, f.Name) {
					t.Errorf("there are two files %s", f.Name)
				}
				names = append(names, f.Name)
				left := regexp.MustCompile(`\{\{|<no value>|\b(NAME|OUT)\b`)
				if found := left.Find(f.Text); found != nil {
					t.Errorf("%s has %q in it", f.Name, found)
				}
				if !bytes.HasSuffix(f.Text, []byte("\n")) || bytes.HasSuffix(f.Text, []byte("\n\n")) {
					t.Errorf("%s does not end in one newline", f.Name)
				}
				if strings.HasSuffix(f.Name, ".vectors.txt") {
					if v, err := vectors.Parse(f.Name, f.Text); err != nil || len(v.Vectors) == 0 {
						t.Errorf("%s: %v", f.Name, err)
					}
				}
			}
			for _, want := range []string{"README.md", "my_echo.vectors.txt", ".gitignore"} {
				if !slices.Contains(names, want) {
					t.Errorf("there is no %s", want)
				}
			}
		})
	}
}

// A project in Go needs a module or a checkout; each becomes what go.mod wants.
func TestProjectsInGo(t *testing.T) {
	language, err := sdk.Named("go")
	if err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]sdk.Project{
		"require github.com/retort-udp/retort v1.2.3\n":                    {Name: "echo", Version: "v1.2.3"},
		"replace github.com/retort-udp/retort => \"/with a blank/retort\"": {Name: "echo", SDK: `"/with a blank/retort"`},
	} {
		files, err := language.Files(p)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(files[0].Text); files[0].Name != "go.mod" || !strings.Contains(text, want) {
			t.Errorf("%s is\n%swithout %q", files[0].Name, text, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, says := range map[string]string{
		"a":                     "",
		"my_echo2":              "",
		strings.Repeat("a", 40): "",
		"":                      "a guest has a name",
		strings.Repeat("a", 41): "is longer than 40",
		"Echo":                  "is not fit",
		"2nd":                   "is not fit",
		"_x":                    "is not fit",
		"a-b":                   "is not fit",
		"../a":                  "is not fit",
		"a/b":                   "is not fit",
		"é":                     "is not fit",
		"a\n":                   `"a\n" is not fit`,
		"retort":                "means something else",
		"match":                 "means something else",
		"nul":                   "means something else",
	} {
		err := sdk.CheckName(name)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", name, err, says)
		}
		language, _ := sdk.Named("c")
		if _, filesErr := language.Files(sdk.Project{Name: name}); (filesErr == nil) != (err == nil) {
			t.Errorf("%q: a project is made of it: %v", name, filesErr)
		}
	}
}

func ExampleNamed() {
	rust, err := sdk.Named("rust")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rust.BuildCommands("hello"))
	fmt.Println(rust.Module("hello"))
	_, err = sdk.Named("cobol")
	fmt.Println(err)
	// Output:
	// cargo build --release
	// target/wasm32-unknown-unknown/release/hello.wasm
	// no language is called "cobol": there are go, c, rust, assemblyscript, wat
}
