package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// listedPackage is what "go list -json" says of a package that its types depend on.
type listedPackage struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string // what an import means here, if it is not what it says
	Module          *struct{ Main bool }
}

// knownPackages finds what a package imports among those that were checked before it.
type knownPackages struct {
	checked map[string]*types.Package
	mapped  map[string]string
}

func (k knownPackages) Import(path string) (*types.Package, error) {
	if other, ok := k.mapped[path]; ok {
		path = other
	}
	if p, ok := k.checked[path]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("%s is not among what go list found", path)
}

// checkTypes checks the types in the packages in dir that patterns match, with their tests, as they are for goos and
// goarch: whether each name is there, and each constant fits. It compiles nothing and so takes two seconds, where the
// compiler takes thirty for the standard library alone. Of other people's packages it checks what ours can see.
func checkTypes(dir, goos, goarch string, patterns ...string) error {
	list := exec.Command("go", append([]string{"list", withoutProfile, "-deps", "-test",
		"-json=Dir,ImportPath,GoFiles,ImportMap,Module"}, patterns...)...)
	list.Dir, list.Stderr = dir, os.Stderr
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	var wrong []error
	for in := json.NewDecoder(bytes.NewReader(out)); ; { // what is imported comes before who imports it
		var p listedPackage
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return errors.Join(wrong[:min(len(wrong), 20)]...)
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue // known already, and what go test writes to call the tests
		}
		config := types.Config{
			Importer:         knownPackages{checked, p.ImportMap},
			Sizes:            types.SizesFor("gc", goarch),
			IgnoreFuncBodies: p.Module == nil || !p.Module.Main,
			Error: func(err error) {
				// A package is checked twice, once together with its tests.
				if !slices.ContainsFunc(wrong, func(other error) bool { return other.Error() == err.Error() }) {
					wrong = append(wrong, err)
				}
			},
		}
		files := token.NewFileSet()
		parsed, err := p.parse(files)
		if err != nil {
			return err
		}
		path, _, _ := strings.Cut(p.ImportPath, " ") // of a package with its tests: "path [path.test]"
		checked[p.ImportPath], _ = config.Check(path, files, parsed, nil)
	}
}

func (p *listedPackage) parse(files *token.FileSet) (parsed []*ast.File, err error) {
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
	}
	return parsed, nil
}
