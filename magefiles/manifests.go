package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// compareManifests holds what Homebrew, Scoop and winget are told to take out of archives against what is in them: an
// installation would fail at a name that is not there.
func compareManifests(dist string) error {
	inside := &archives{dist: dist, names: make(map[string][]string)}
	var wrong error
	for _, manifest := range []struct {
		pattern string
		check   func(text []byte, inside *archives) error
	}{
		{"homebrew/Casks/*.rb", checkCask},
		{"scoop/*.json", checkScoop},
		{"winget/manifests/*/*/*/*/*.installer.yaml", checkWinget},
	} {
		file, err := only(filepath.Join(dist, filepath.FromSlash(manifest.pattern)))
		if err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = manifest.check(text, inside)
		}
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", file, err))
		}
	}
	return wrong
}

// archives knows what is in the archives in dist, which it opens once.
type archives struct {
	dist  string
	names map[string][]string // by the archive's name; each with its folder in front
}

// list returns the names in the archive that is downloaded from url.
func (a *archives) list(url string) ([]string, error) {
	archive := path.Base(url)
	if a.names[archive] == nil {
		all, err := archiveEntries(filepath.Join(a.dist, archive))
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			a.names[archive] = append(a.names[archive], e.name)
		}
	}
	return a.names[archive], nil
}

// has says whether a file is in the archive that is downloaded from url.
func (a *archives) has(url, file string) error {
	names, err := a.list(url)
	if err == nil && !slices.Contains(names, file) {
		err = fmt.Errorf("%s is not in %s", file, path.Base(url))
	}
	return err
}

var (
	caskVersion = regexp.MustCompile(`(?m)^ *version "(.+)"$`)
	caskURL     = regexp.MustCompile(`(?m)^ *url "(.+)"$`)
	caskRename  = regexp.MustCompile(`(?m)^ *rename "(.+)", "(.+)"$`)
	caskFile    = regexp.MustCompile(`(?m)^ *(binary|manpage|\w+_completion) "(.+)"$`)
)

// checkCask looks at each archive of a cask: what is linked is there once things were moved as the cask says.
func checkCask(text []byte, inside *archives) error {
	cask := string(text)
	version, urls := caskVersion.FindStringSubmatch(cask), caskURL.FindAllStringSubmatch(cask, -1)
	files := caskFile.FindAllStringSubmatch(cask, -1)
	for _, kind := range []string{"binary", "manpage", "bash_completion", "fish_completion", "zsh_completion"} {
		if !slices.ContainsFunc(files, func(file []string) bool { return file[1] == kind }) {
			return fmt.Errorf("it has no %s", kind)
		}
	}
	if version == nil || len(urls) == 0 {
		return errors.New("it has no version, or no archive")
	}
	var wrong error
	for _, url := range urls {
		archive := path.Base(strings.ReplaceAll(url[1], "#{version}", version[1]))
		names, err := inside.list(archive)
		if err != nil {
			return err
		}
		names = slices.Clone(names)
		for _, rename := range caskRename.FindAllStringSubmatch(cask, -1) {
			for i := range names {
				names[i] = renamed(names[i], rename[1], rename[2])
			}
		}
		for _, file := range files {
			if !slices.Contains(names, file[2]) {
				wrong = errors.Join(wrong, fmt.Errorf("%s %s is not in %s", file[1], file[2], archive))
			}
		}
	}
	return wrong
}

// renamed is what a file is called after what the pattern from fits, itself or a folder that it is in, was moved.
func renamed(name, from, to string) string {
	parts, depth := strings.Split(name, "/"), strings.Count(from, "/")+1
	if len(parts) < depth {
		return name
	}
	if fits, _ := path.Match(from, strings.Join(parts[:depth], "/")); !fits {
		return name
	}
	return path.Join(append([]string{to}, parts[depth:]...)...)
}

func checkScoop(text []byte, inside *archives) error {
	var manifest struct {
		Architecture map[string]struct {
			URL string
			Bin []string
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	if len(manifest.Architecture) == 0 {
		return errors.New("it is for no architecture")
	}
	var wrong error
	for name, a := range manifest.Architecture {
		if len(a.Bin) == 0 {
			wrong = errors.Join(wrong, fmt.Errorf("%s has no program", name))
		}
		for _, program := range a.Bin {
			wrong = errors.Join(wrong, inside.has(a.URL, program))
		}
	}
	return wrong
}

func checkWinget(text []byte, inside *archives) error {
	var manifest struct {
		Installers []struct {
			URL   string `yaml:"InstallerUrl"`
			Files []struct {
				Path string `yaml:"RelativeFilePath"`
			} `yaml:"NestedInstallerFiles"`
		} `yaml:"Installers"`
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil {
		return err
	}
	if len(manifest.Installers) == 0 {
		return errors.New("it installs nothing")
	}
	var wrong error
	for _, i := range manifest.Installers {
		if len(i.Files) == 0 {
			wrong = errors.Join(wrong, fmt.Errorf("%s has no program", i.URL))
		}
		for _, file := range i.Files {
			wrong = errors.Join(wrong, inside.has(i.URL, strings.ReplaceAll(file.Path, `\`, "/")))
		}
	}
	return wrong
}
