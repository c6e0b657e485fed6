package main

import (
	"strings"
	"testing"
)

// What package managers are told to take out of an archive must be in it.
func TestManifests(t *testing.T) {
	const (
		cask = `cask "retort" do
  rename "retort_*/man", "man"
  rename "retort_*/completions", "completions"
  version "1.2.3"
  on_macos do
    on_arm do
      url "https://example.com/v1.2.3/retort_#{version}_macos_arm64.tar.gz"
      rename "retort_1.2.3_macos_arm64/retort", "retort"
    end
  end
  binary "retort"
  manpage "man/retort.1"
  bash_completion "completions/retort.bash"
  fish_completion "completions/retort.bash"
  zsh_completion "completions/retort.bash"
end
`
		scoop  = `{"architecture":{"64bit":{"url":"https://example.com/retort_1.2.3_windows_amd64.zip","bin":["retort_1.2.3_windows_amd64/retort.exe"]}}}`
		winget = `Installers:
  - InstallerUrl: https://example.com/retort_1.2.3_windows_amd64.zip
    NestedInstallerFiles:
      - RelativeFilePath: retort_1.2.3_windows_amd64\retort.exe
`
	)
	inside := &archives{names: map[string][]string{
		"retort_1.2.3_macos_arm64.tar.gz": {
			"retort_1.2.3_macos_arm64/retort", "retort_1.2.3_macos_arm64/man/retort.1",
			"retort_1.2.3_macos_arm64/completions/retort.bash",
		},
		"retort_1.2.3_windows_amd64.zip": {"retort_1.2.3_windows_amd64/retort.exe"},
	}}
	for name, c := range map[string]struct {
		check          func([]byte, *archives) error
		right          string
		spoil, instead string
	}{
		"a page without its folder":   {checkCask, cask, `rename "retort_*/man"`, `rename "retort_*/manual"`},
		"a page of another name":      {checkCask, cask, `"man/retort.1"`, `"man/retort.8"`},
		"a program of another folder": {checkCask, cask, `rename "retort_1.2.3_macos_arm64/`, `rename "`},
		"a link to nothing":           {checkCask, cask, `binary "retort"`, `binary "bin/retort"`},
		"no page":                     {checkCask, cask, "manpage", "page"},
		"scoop, without the folder":   {checkScoop, scoop, "retort_1.2.3_windows_amd64/", ""},
		"scoop, nothing":              {checkScoop, scoop, "architecture", "architectures"},
		"winget, without the folder":  {checkWinget, winget, `retort_1.2.3_windows_amd64\`, ""},
		"winget, nothing":             {checkWinget, winget, "NestedInstallerFiles", "Files"},
	} {
		if err := c.check([]byte(c.right), inside); err != nil {
			t.Errorf("what is right: %v", err)
		}
		spoilt := strings.Replace(c.right, c.spoil, c.instead, 1)
		if err := c.check([]byte(spoilt), inside); err == nil || spoilt == c.right {
			t.Errorf("%s passes", name)
		}
	}
}
