package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// verify holds a file against checksums.txt in its folder, as the README has people do.
func verify(file string) error {
	list, err := os.ReadFile(filepath.Join(filepath.Dir(file), "checksums.txt"))
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	got := hex.EncodeToString(sum[:])
	for line := range strings.Lines(string(list)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if name != filepath.Base(file) {
			continue
		}
		if want != got {
			return fmt.Errorf("%s has the checksum %s, and checksums.txt says %s", file, got, want)
		}
		return nil
	}
	return fmt.Errorf("checksums.txt does not name %s", filepath.Base(file))
}
