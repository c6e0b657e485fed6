package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// Release holds what makes archives and packages.
type Release mg.Namespace

// goreleaser runs goreleaser at the version that .github/tools pins.
func goreleaser(args ...string) error {
	return sh.RunV("go", append([]string{"tool", "-modfile=.github/tools/goreleaser.mod", "goreleaser"}, args...)...)
}

// Check says whether the release's configuration is right.
func (Release) Check() error { return goreleaser("check") }

// Snapshot makes everything that a release has from this tree, in dist, without the network.
func (Release) Snapshot() error {
	if err := goreleaser("release", "--snapshot", "--clean", skipping(skipped()...)); err != nil {
		return err
	}
	return inspect("dist")
}

// inspect holds what was made against what a release has: which files, and what is in them.
func inspect(dist string) error {
	return errors.Join(compareArtefacts(dist), compareContents(dist), compareBoms(dist), compareManifests(dist))
}

//go:embed artefacts.txt
var artefacts string

// compareArtefacts holds what is in dist against the list of what a release has, in artefacts.txt.
func compareArtefacts(dist string) error {
	sums, err := os.ReadFile(filepath.Join(dist, "checksums.txt"))
	if err != nil {
		return err
	}
	version := regexp.MustCompile(`retort-handlers_(.*)\.tar\.gz`).FindSubmatch(sums)
	if version == nil {
		return fmt.Errorf("%s/checksums.txt names no archive of handlers", dist)
	}
	// Each kind of package has its own way of writing a version that is none yet: 1.2.3-next, 1.2.3~next and so on.
	written := func(dash string) string { return strings.ReplaceAll(string(version[1]), "-", dash) }
	replace := strings.NewReplacer(written("-"), "VERSION", written("~"), "VERSION", written("_"), "VERSION", written(""), "VERSION")
	var got []string
	for line := range strings.Lines(string(sums)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			got = append(got, replace.Replace(name))
		}
	}
	slices.Sort(got)
	want := strings.Fields(artefacts)
	for _, name := range got {
		if !slices.Contains(want, name) {
			err = errors.Join(err, fmt.Errorf("%s is not in magefiles/artefacts.txt", name))
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			err = errors.Join(err, fmt.Errorf("%s was not made", name))
		}
	}
	if err == nil {
		fmt.Printf("%d artefacts, as listed\n", len(got))
	}
	return err
}

// Draft makes a draft of a release on GitHub from the tag that is checked out. It is made twice: once to be looked at,
// and again, out of the cache, to be uploaded, for goreleaser does not stop between the two.
func (Release) Draft() error {
	skip := skipped()
	if err := goreleaser("release", "--clean", skipping(append(skip, "publish", "announce")...)); err != nil {
		return err
	}
	if err := inspect("dist"); err != nil {
		return fmt.Errorf("nothing was uploaded: %w", err)
	}
	inspected, err := os.ReadFile(filepath.Join("dist", "checksums.txt"))
	if err != nil {
		return err
	}
	if err := goreleaser("release", "--clean", skipping(skip...)); err != nil {
		return err
	}
	uploaded, err := os.ReadFile(filepath.Join("dist", "checksums.txt"))
	if err == nil && !bytes.Equal(inspected, uploaded) {
		err = fmt.Errorf("the draft is not what was looked at, delete it: %q differ", differing(uploaded, inspected))
	}
	return err
}

// skipped are the parts of a release that nobody has asked for in the environment, each said aloud. Who has, and lacks
// the tool, is told so by goreleaser.
func skipped() (skip []string) {
	if os.Getenv("COSIGN_PRIVATE_KEY") == "" {
		fmt.Println("skipped: signing needs COSIGN_PRIVATE_KEY to hold a key, and cosign")
		skip = append(skip, "sign")
	}
	if os.Getenv("KO_DOCKER_REPO") == "" {
		fmt.Println("skipped: images need KO_DOCKER_REPO to name a registry")
		skip = append(skip, "ko")
	}
	return skip
}

func skipping(parts ...string) string { return "--skip=" + strings.Join(parts, ",") }

// Pages writes what the packages carry beside the program: manual pages and completions, into bin/pages.
func (Release) Pages() error {
	pages := filepath.Join("bin", "pages")
	completions := filepath.Join(pages, "completions")
	if err := errors.Join(sh.Rm(pages), os.MkdirAll(completions, 0o755)); err != nil {
		return err
	}
	retort := filepath.Join("bin", "retort-pages"+exeSuffix())
	defer os.Remove(retort)
	// The pages carry the date of the commit, which the program knows only so.
	if err := sh.RunV("go", "build", "-buildvcs=true", "-o", retort, "./native/cmd/retort"); err != nil {
		return err
	}
	if err := sh.RunV(retort, "man", filepath.Join(pages, "man")); err != nil {
		return err
	}
	for shell, file := range map[string]string{
		"bash": "retort.bash", "zsh": "_retort", "fish": "retort.fish", "powershell": "retort.ps1",
	} {
		script, err := exec.Command(retort, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("%s completion %s: %w", retort, shell, err)
		}
		if err := os.WriteFile(filepath.Join(completions, file), script, 0o644); err != nil {
			return err
		}
	}
	return datePackaging()
}

// datePackaging gives the packages' scripts the time of the commit: packages for Alpine tell when a script was written,
// and a checkout writes it when it pleases.
func datePackaging() error {
	seconds, err := sh.Output("git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	since, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	scripts, err := filepath.Glob("native/cmd/retort/packaging/*.sh")
	if err != nil {
		return err
	}
	for _, script := range scripts {
		if err := os.Chtimes(script, time.Unix(since, 0), time.Unix(since, 0)); err != nil {
			return err
		}
	}
	return nil
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// elsewhere is how another builder's machine may differ from this one.
func elsewhere() []string {
	return []string{
		"GOFLAGS=-buildvcs=false -pgo=off", "TZ=Pacific/Auckland", "LANG=tr_TR.UTF-8", "LC_ALL=C.UTF-8", "USER=another",
	}
}

// Repro builds a release twice, from two clones in two places and as by two people, and compares the checksums.
func (Release) Repro() error {
	// Here, so that what an interrupted run leaves is found: by the next one, and by "mage clean".
	dir := filepath.Join("bin", "repro")
	if err := sh.Rm(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var sums [2][]byte
	for i, name := range []string{"here", filepath.Join("another", "place")} {
		clone := filepath.Join(dir, name)
		if err := sh.Run("git", "clone", "-q", ".", clone); err != nil {
			return err
		}
		cmd := exec.Command("go", "tool", "mage", "release:snapshot")
		if i == 1 {
			cmd = exec.Command("sh", "-c", "umask 077 && exec go tool mage release:snapshot")
			cmd.Env = append(os.Environ(), elsewhere()...)
		}
		cmd.Dir, cmd.Stdout, cmd.Stderr = clone, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("in %s: %w", clone, err)
		}
		var err error
		if sums[i], err = os.ReadFile(filepath.Join(clone, "dist", "checksums.txt")); err != nil {
			return err
		}
	}
	if bytes.Equal(sums[0], sums[1]) {
		fmt.Printf("%d artefacts, the same twice\n", bytes.Count(sums[0], []byte("\n")))
		return nil
	}
	for _, line := range differing(sums[0], sums[1]) {
		fmt.Println("differs:", line)
	}
	return errors.New("two builds of one commit differ")
}

// differing returns the lines of a that b does not have.
func differing(a, b []byte) (lines []string) {
	there := strings.Split(string(b), "\n")
	scanner := bufio.NewScanner(bytes.NewReader(a))
	for scanner.Scan() {
		if !slices.Contains(there, scanner.Text()) {
			lines = append(lines, scanner.Text())
		}
	}
	return lines
}
