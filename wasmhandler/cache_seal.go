package wasmhandler

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sealName is the file in an entry of the cache that has the sums of the others. wazero checks the sum of the
// machine code that it reads back, but not of the tables that say where in it the functions begin, and it
// allocates what a damaged length asks for; so nothing is handed to it that is not as it was when it was sealed.
const sealName = "SHA256SUMS"

// maxSeal is how many bytes a seal may have: two lines would be many.
const maxSeal = 4 << 10

// checkSeal returns the files in dir and the digest of their seal, or an error when they are not just what was
// sealed.
func checkSeal(dir string) (sealed []string, digest [sha256.Size]byte, err error) {
	want, err := readUpTo(filepath.Join(dir, sealName), maxSeal)
	if err != nil {
		return nil, digest, err
	}
	if sealed, err = files(dir); err != nil {
		return nil, digest, err
	}
	sums, err := sumFiles(dir, sealed)
	if err != nil {
		return nil, digest, err
	}
	if !bytes.Equal(sums, want) {
		return nil, digest, errors.New("the cache is damaged")
	}
	return sealed, sha256.Sum256(want), nil
}

// seal writes the sums of the files in dir, and returns the digest of what it wrote. The name appears when the
// file is complete.
func seal(dir string) (digest [sha256.Size]byte, err error) {
	names, err := files(dir)
	if err != nil {
		return digest, err
	}
	sums, err := sumFiles(dir, names)
	if err != nil {
		return digest, err
	}
	f, err := os.CreateTemp(dir, sealName+".*")
	if err != nil {
		return digest, err
	}
	_, err = f.Write(sums)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, sealName))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return sha256.Sum256(sums), err
}

// files lists what wazero wrote, by path, in order: it makes a directory below dir, and the seal lies in dir itself.
func files(dir string) (paths []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Dir(path) != dir {
			paths = append(paths, path)
		}
		return err
	})
	return paths, err
}

// sumFiles returns a line for each file, as the sha256sum command prints it.
func sumFiles(dir string, paths []string) ([]byte, error) {
	var sums bytes.Buffer
	for _, path := range paths {
		sum, err := sumFile(path)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sum, filepath.ToSlash(name))
	}
	return sums.Bytes(), nil
}

// sumFile reads regular files only: a pipe in their place would never end.
func sumFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// readUpTo returns what a regular file holds, unless that is more than most bytes.
func readUpTo(path string, most int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, most)
	}
	return os.ReadFile(path)
}
