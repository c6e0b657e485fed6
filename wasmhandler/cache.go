package wasmhandler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// compile makes m's runtime and code, with the help of a cache if there is to be one. When that fails it tries
// without: either the cache is at fault, which must not cost the module, or the error comes again.
func (m *Module) compile(wasm []byte) error {
	if m.config.CacheDir == "" || m.config.Interpreter {
		return m.compileWith(nil, wasm)
	}
	err := m.compileCached(wasm)
	if err == nil {
		return nil
	}
	_ = m.free()
	m.runtime, m.cache, m.code = nil, nil, nil
	if again := m.compileWith(nil, wasm); again != nil {
		return again
	}
	if m.config.Log != nil {
		m.config.Log.Warn("handler compiled without its cache", "handler", m.config.Name, "error", err)
	}
	return nil
}

// compileCached compiles with a cache in a directory that is this module's alone, sealed when it was written.
// wazero checks the sum of the machine code that it reads back, but not of the tables that say where in it the
// functions begin, and it allocates what a damaged length asks for.
func (m *Module) compileCached(wasm []byte) error {
	sum := sha256.Sum256(wasm)
	dir := filepath.Join(m.config.CacheDir, hex.EncodeToString(sum[:16]))
	before, err := checkSeal(dir)
	if err != nil {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if m.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
		return err
	}
	if err := m.compileWith(m.cache, wasm); err != nil {
		return err
	}
	if after, err := files(dir); err != nil || slices.Equal(before, after) {
		return err // what there was has been used, and nothing written
	}
	return seal(dir)
}

// compileWith compiles with what is in cache; nil: anew.
func (m *Module) compileWith(cache wazero.CompilationCache, wasm []byte) (err error) {
	config := wazero.NewRuntimeConfig()
	if m.config.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(m.config.Memory / pageSize)).
		WithDebugInfoEnabled(false) // function names are enough, and nobody has to parse a stranger's DWARF
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	defer func() {
		if p := recover(); p != nil { // a module that the compiler does not stand
			err = fmt.Errorf("the compiler failed: %s", clean(fmt.Sprint(p)))
		}
	}()
	m.runtime = wazero.NewRuntimeWithConfig(context.Background(), config)
	if m.code, err = m.runtime.CompileModule(context.Background(), wasm); err != nil {
		return errors.New(clean(err.Error()))
	}
	return nil
}

// sealName is the file in a cache directory that has the sums of the others.
const sealName = "SHA256SUMS"

// checkSeal returns the files in dir, or an error when they are not just what was sealed.
func checkSeal(dir string) (sealed []string, err error) {
	want, err := os.ReadFile(filepath.Join(dir, sealName))
	if err != nil {
		return nil, err
	}
	if sealed, err = files(dir); err != nil {
		return nil, err
	}
	sums, err := sumFiles(dir, sealed)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sums, want) {
		return nil, errors.New("the cache is damaged")
	}
	return sealed, nil
}

// seal writes the sums of the files in dir. The name appears when the file is complete.
func seal(dir string) error {
	names, err := files(dir)
	if err != nil {
		return err
	}
	sums, err := sumFiles(dir, names)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, sealName+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(sums)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, sealName))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// files lists what wazero wrote, by path, in order: it makes a directory below dir, and the seals lie in dir itself.
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

func sumFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}
