package main

import (
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is the part of a GitHub workflow that these tests are about.
type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		RunsOn      string            `yaml:"runs-on"`
		Timeout     int               `yaml:"timeout-minutes"`
		Permissions map[string]string `yaml:"permissions"`
		Env         map[string]string `yaml:"env"`
		Strategy    struct {
			FailFast *bool `yaml:"fail-fast"`
			Matrix   struct {
				OS     []string `yaml:"os"`
				Go     []string `yaml:"go"`
				Target []string `yaml:"target"`
			} `yaml:"matrix"`
		} `yaml:"strategy"`
		Steps []struct {
			Uses string            `yaml:"uses"`
			Run  string            `yaml:"run"`
			With map[string]string `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no workflows: %v", err)
	}
	all := make(map[string]workflow)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = w
	}
	return all
}

// A workflow runs other people's code: at a commit, which nobody can move, never at a tag.
func TestActionsArePinned(t *testing.T) {
	pin := regexp.MustCompile(`^[a-z0-9./-]+@[0-9a-f]{40}$`)
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if step.Uses != "" && !pin.MatchString(step.Uses) {
					t.Errorf("%s, %s: %s is not pinned by its commit", file, name, step.Uses)
				}
			}
		}
		// The comment behind a pin says which version that is, for people and for updates.
		text, err := os.ReadFile("../.github/workflows/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "uses:") && !regexp.MustCompile(`@[0-9a-f]{40} # v\d+\.\d+\.\d+$`).MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s: no version behind the pin in %q", file, strings.TrimSpace(line))
			}
		}
	}
}

// What a job may do is said by the job, and only a release writes anything.
func TestPermissions(t *testing.T) {
	for file, w := range workflows(t) {
		if w.Permissions == nil || len(w.Permissions) != 0 {
			t.Errorf("%s: permissions are %v by default, want {}", file, w.Permissions)
		}
		for name, job := range w.Jobs {
			if job.Permissions["contents"] == "" {
				t.Errorf("%s, %s: no permissions of its own", file, name)
			}
			for what, how := range job.Permissions {
				if how != "read" && !(file == "release.yml" && name == "release") {
					t.Errorf("%s, %s: %s: %s", file, name, what, how)
				}
			}
			if job.Timeout == 0 {
				t.Errorf("%s, %s: no time limit", file, name)
			}
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != "false" {
					t.Errorf("%s, %s: the checkout leaves its credentials behind", file, name)
				}
			}
		}
	}
}

// Go is the newest patch of the release that go.mod names, which has what was mended since: setup-go installs from a
// go.mod exactly what that asks for, which is its first, and keeps the go command from fetching another one. What tools
// need is never more than that.
func TestGoVersion(t *testing.T) {
	wanted := func(file string) string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(text)
		if line == nil {
			t.Fatalf("%s says no version of Go", file)
		}
		return "go" + string(line[1])
	}
	release := version.Lang(wanted("../go.mod"))
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if !strings.HasPrefix(step.Uses, "actions/setup-go@") {
					continue
				}
				if step.With["go-version-file"] != "" || step.With["check-latest"] != "true" {
					t.Errorf("%s, %s: want go-version with check-latest, the newest patch; got %v", file, name, step.With)
				}
				if got := step.With["go-version"]; "go"+got != release && got != "${{ matrix.go }}" {
					t.Errorf("%s, %s: Go %q, want %s as in go.mod", file, name, got, release)
				}
			}
		}
	}
	modules, err := filepath.Glob("../.github/tools/*.mod")
	if err != nil || len(modules) == 0 {
		t.Fatalf("no tool has a module file: %v", err)
	}
	modules = append(modules, "../.github/tools/lint/go.mod")
	for _, file := range modules {
		if got := wanted(file); version.Compare(version.Lang(got), release) > 0 {
			t.Errorf("%s needs %s, and the workflows have %s", file, got, release)
		}
	}
}

// The test command runs on every system, with both releases of Go that are maintained, whatever becomes of the others, and it is the README's.
func TestMatrix(t *testing.T) {
	job := workflows(t)["ci.yml"].Jobs["test"]
	for _, os := range []string{
		"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel", "windows-2025", "windows-11-arm",
	} {
		if !slices.Contains(job.Strategy.Matrix.OS, os) {
			t.Errorf("nothing is tested on %s", os)
		}
	}
	race := workflows(t)["ci.yml"].Jobs["race"]
	for _, os := range []string{"ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel", "windows-2025"} {
		if !slices.Contains(race.Strategy.Matrix.OS, os) {
			t.Errorf("nothing runs under the race detector on %s", os)
		}
	}
	for _, release := range []string{"stable", "oldstable"} {
		if !slices.Contains(job.Strategy.Matrix.Go, release) {
			t.Errorf("nothing is tested with the %s release of Go", release)
		}
	}
	if job.Strategy.FailFast == nil || *job.Strategy.FailFast {
		t.Error("one failure ends the others")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range job.Steps {
		if step.Run != "" && !strings.Contains(string(readme), "\n"+step.Run+"\n") {
			t.Errorf("the matrix runs %q, which the README does not name", step.Run)
		}
	}
}

// Who installs what a target needs, and then sees it skipped, has made a mistake.
func TestNothingIsSkipped(t *testing.T) {
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if strings.Contains(step.Run, "apt-get install") && job.Env["RETORT_REQUIRE"] != "1" {
					t.Errorf("%s, %s: installs programs, but RETORT_REQUIRE is not 1", file, name)
				}
			}
		}
	}
}

// What a release would be is tried out with each change, and once more before a release is uploaded.
func TestReleaseIsTriedOut(t *testing.T) {
	all := workflows(t)
	commands := func(file, job string) (lines string) {
		for _, step := range all[file].Jobs[job].Steps {
			lines += step.Run + "\n"
		}
		return lines
	}
	inOrder := func(file, job string, targets ...string) {
		lines, from := commands(file, job), 0
		for _, target := range targets {
			at := strings.Index(lines[from:], "go tool mage "+target+"\n")
			if at < 0 {
				t.Errorf("%s, %s: want %v, in this order, in\n%s", file, job, targets, lines)
				return
			}
			from += at
		}
	}
	inOrder("lint.yml", "lint", "lint", "release:check")
	inOrder("snapshot.yml", "snapshot", "release:snapshot", "release:packages")
	inOrder("release.yml", "release", "test", "release:snapshot", "release:packages", "release:draft")
	inOrder("release.yml", "smoke", "release:smoke")
}

// Updates are looked for only where a file of the right name is; a folder without one fails every month.
func TestUpdates(t *testing.T) {
	text, err := os.ReadFile("../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Updates []struct {
			Ecosystem   string   `yaml:"package-ecosystem"`
			Directory   string   `yaml:"directory"`
			Directories []string `yaml:"directories"`
		} `yaml:"updates"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil || len(config.Updates) == 0 {
		t.Fatalf("no updates: %v", err)
	}
	var modules []string
	for _, update := range config.Updates {
		for _, folder := range append(update.Directories, update.Directory) {
			if folder == "" {
				continue
			}
			manifest, known := map[string]string{
				"gomod": "go.mod", "npm": "package.json", "github-actions": ".github/workflows",
			}[update.Ecosystem]
			if !known {
				t.Fatalf("updates of %q: what file is that?", update.Ecosystem)
			}
			file := filepath.Join("..", folder, manifest)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("updates of %s in %s: %v", update.Ecosystem, folder, err)
			}
			modules = append(modules, filepath.ToSlash(file))
		}
	}
	for _, want := range []string{"../go.mod", "../testdata/peers/go/go.mod", "../.github/tools/lint/go.mod", "../.github/workflows",
		"../wasmhandler/guest/sdk/assemblyscript/package.json"} {
		if !slices.Contains(modules, want) {
			t.Errorf("no updates are looked for in %s", want)
		}
	}
}

// Workflows are thin: whatever they run can be run at home, by the same name.
func TestWorkflowsCallMage(t *testing.T) {
	fit := regexp.MustCompile(`^(sudo env ("[A-Z_]+=\$[A-Z_]+" )+)?go tool mage \S+$|^sudo apt-get update |^sudo env .* bash \.ci/run$`)
	for file, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if step.Run != "" && !fit.MatchString(strings.TrimSpace(step.Run)) {
					t.Errorf("%s, %s runs %q", file, name, step.Run)
				}
			}
		}
	}
}

// What the workflows, the complete check and the documents have mage do, it can.
func TestTargetsExist(t *testing.T) {
	mage := exec.Command("go", "tool", "mage", "-l")
	mage.Dir = ".."
	listed, err := mage.CombinedOutput()
	if err != nil {
		t.Fatalf("go tool mage -l: %v\n%s", err, listed)
	}
	exists := map[string]bool{"test": true, "bench": true} // aliases, which are not listed
	for _, line := range regexp.MustCompile(`(?m)^  (\S+)`).FindAllStringSubmatch(string(listed), -1) {
		exists[strings.ToLower(strings.TrimSuffix(line[1], "*"))] = true
	}
	check := func(file, target string) {
		if !exists[strings.ToLower(target)] {
			t.Errorf("%s names the target %s, which does not exist", file, target)
		}
	}
	for file, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, target := range job.Strategy.Matrix.Target {
				check(file, target)
			}
		}
	}
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "../.ci/run", "../README.md", "../.github/CONTRIBUTING.md", "../wasmhandler/guest/README.md", "../testdata/hostile/README.md")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range regexp.MustCompile(`go tool mage ([a-z][a-z0-9:]*)`).FindAllStringSubmatch(string(text), -1) {
			check(file, target[1])
		}
	}
}
