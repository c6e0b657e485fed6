package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong for one processor or system only is found there, in tests as well, and nowhere else.
func TestCheckTypes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":          "module example.com/m\n\ngo 1.26\n",
		"m.go":            "package m\n\nconst size = 1 << 40\n",
		"m_test.go":       "package m\n\nimport \"testing\"\n\nfunc TestM(t *testing.T) { t.Log(size) }\n",
		"m_freebsd.go":    "package m\n\nimport \"syscall\"\n\nvar _ = syscall.SYS_MMAP + syscall.NoSuchName\n",
		"outside_test.go": "package m_test\n\nimport _ \"example.com/m\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ os, arch, want string }{
		{"linux", "amd64", ""},
		{"linux", "386", "overflows"},
		{"windows", "arm64", ""},
		{"freebsd", "arm64", "NoSuchName"},
	} {
		err := checkTypes(dir, test.os, test.arch, "./...")
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s/%s: %v", test.os, test.arch, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s/%s: %v, want one error, %q", test.os, test.arch, err, test.want)
		}
	}
}
