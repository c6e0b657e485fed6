package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is not what its checksum says, or has none, is not tried out.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"whole": "abc", "broken": "abcd", "unknown": "abc",
		// The checksum of "abc" is the first example of FIPS 180-4.
		"checksums.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  whole\n" +
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  broken\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"whole": "", "broken": "has the checksum", "unknown": "does not name"} {
		err := verify(filepath.Join(dir, name))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
