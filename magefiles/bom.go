package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/magefile/mage/sh"
)

// Bom builds what lists a program's modules (SBOM), at the version that .github/tools pins, into bin. A list has the
// checksum of that, too, so that it is built the same everywhere.
func (Release) Bom() error {
	env := map[string]string{"CGO_ENABLED": "0", "GOFLAGS": "", "GOOS": "", "GOARCH": ""}
	return sh.RunWithV(env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=",
		"-modfile=.github/tools/cyclonedx-gomod.mod", "-o", filepath.Join("bin", "cyclonedx-gomod"),
		"github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod")
}

// bom is the part of a CycloneDX document that is looked at.
type bom struct {
	Metadata struct {
		Component struct{ Name, Version string }
	}
	Components []struct{ Name, Version string }
}

// compareBoms looks into the lists of modules in dist: each is of this program, and has what every build of it has.
func compareBoms(dist string) error {
	files, err := filepath.Glob(filepath.Join(dist, "*.cdx.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		if readErr != nil {
			return readErr
		}
		if wrong := checkBom(text); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", file, wrong))
		}
	}
	return err
}

func checkBom(text []byte) error {
	var list bom
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	if c := list.Metadata.Component; c.Name != "github.com/retort-udp/retort" || c.Version == "" {
		return fmt.Errorf("it is of %q, version %q", c.Name, c.Version)
	}
	versions := make(map[string]string)
	for _, c := range list.Components {
		versions[c.Name] = c.Version
	}
	for _, module := range []string{"std", "github.com/tetratelabs/wazero"} {
		if versions[module] == "" {
			return fmt.Errorf("it does not say which %s", module)
		}
	}
	return nil
}
