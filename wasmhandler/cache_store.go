package wasmhandler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultCacheSize is what Config.CacheSize is when it is zero, in bytes: a hundred Go guests.
const DefaultCacheSize = 1 << 30

// A store is a directory of entries, each a directory that holds the compiled code of one module and its seal.
// Processes share it without a lock: an entry is made under a name of its own beside the others and takes its
// place by being renamed, complete; what is there is not changed any more, but for the time of its last use.
type store struct {
	dir     string // as the system knows it, without symbolic links
	private bool   // it is for one load only, and removed after it
}

const (
	newPrefix = ".new-"     // begins the names of entries in the making
	keyLength = 32          // of the names of entries, in hexadecimal digits
	newAge    = time.Hour   // after which what is still in the making was left behind by a process that died
	inUse     = time.Minute // after its last use an entry may still be being loaded by somebody
)

// errShared says that others than the user that we run as could have put something into the cache.
var errShared = errors.New("compiled code is run as it is, so nobody else may have access to where it is kept")

// openStore returns the store in dir, which is made if need be. When others have access to it the error is an
// errShared, and nothing that is in there may be run.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if why := shared(info); why != "" {
		return nil, fmt.Errorf("the cache directory %s %s; %w", dir, why, errShared)
	}
	return &store{dir: dir}, nil
}

// privateStore returns a store that nobody else finds, for one load.
func privateStore() (*store, error) {
	dir, err := os.MkdirTemp("", "retort-")
	if err != nil {
		return nil, err
	}
	return &store{dir: dir, private: true}, nil
}

// close removes a private store.
func (s *store) close() error {
	if s.private {
		return os.RemoveAll(s.dir)
	}
	return nil
}

// entry is where the entry of that name is, or would be.
func (s *store) entry(key string) string { return filepath.Join(s.dir, key) }

// fresh makes a directory for an entry in the making. Whoever called it removes it, whatever became of it.
func (s *store) fresh() (string, error) { return os.MkdirTemp(s.dir, newPrefix) }

// publish gives a sealed entry its name. What has that name and is as good stays; what is not is removed.
func (s *store) publish(fresh, key string) error {
	const tries = 3 // others may be repairing the same entry
	var err error
	for range tries {
		if err = os.Rename(fresh, s.entry(key)); err == nil {
			return nil
		}
		if _, _, bad := checkSeal(s.entry(key)); bad == nil {
			return nil
		}
		if err := os.RemoveAll(s.entry(key)); err != nil {
			return err
		}
	}
	return err
}

// touch notes that an entry is being used, now.
func (s *store) touch(key string, now time.Time) {
	// An entry that is not there, or cannot be touched, is one that will not be found good, or evicted early.
	_ = os.Chtimes(filepath.Join(s.entry(key), sealName), now, now)
}

// evict removes entries, those that were used longest ago first, until the others have no more than limit bytes
// together. It leaves out keep, and those that somebody may be loading. What is in the directory and is no entry
// stays; only what was never finished goes.
func (s *store) evict(limit int64, keep string, now time.Time) error {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	type entry struct {
		key  string
		size int64
		used time.Time
	}
	var entries []entry
	var total int64
	var errs []error
	for _, name := range names {
		if abandoned(name, now) {
			errs = append(errs, os.RemoveAll(s.entry(name.Name())))
		}
		if !isKey(name.Name()) || !name.IsDir() {
			continue
		}
		size, used := measure(s.entry(name.Name()))
		total += size
		entries = append(entries, entry{name.Name(), size, used})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		if total <= limit || now.Sub(e.used) < inUse {
			break
		}
		if e.key == keep {
			continue
		}
		errs = append(errs, os.RemoveAll(s.entry(e.key)))
		total -= e.size
	}
	return errors.Join(errs...)
}

// abandoned says whether name is an entry in the making that nobody makes any more.
func abandoned(name fs.DirEntry, now time.Time) bool {
	if !strings.HasPrefix(name.Name(), newPrefix) {
		return false
	}
	info, err := name.Info()
	return err == nil && now.Sub(info.ModTime()) > newAge
}

// isKey says whether an entry may be called that.
func isKey(name string) bool {
	return len(name) == keyLength && strings.Trim(name, "0123456789abcdef") == ""
}

// measure returns how many bytes an entry takes, and when it was used last; an entry without a seal, never.
func measure(dir string) (size int64, used time.Time) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it may be on its way out
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
			if path == filepath.Join(dir, sealName) {
				used = info.ModTime()
			}
		}
		return nil
	})
	return size, used
}
