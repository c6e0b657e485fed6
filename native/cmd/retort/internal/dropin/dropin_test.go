package dropin_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/dropin"
)

// patience bounds a test that fails, and decides nothing else.
const patience = 20 * time.Second

// event is a call of Load or Remove.
type event struct {
	name   string
	module string // what NAME.wasm held; "gone" after Remove
	rest   string // what the other files held
}

// bench is a directory that is watched, and what came of it. A NAME.wasm that begins with "bad" is refused.
type bench struct {
	t      *testing.T
	dir    string
	d      *dropin.Directory
	events chan event
}

func newBench(t *testing.T, dir string) *bench {
	b := &bench{t: t, dir: dir, events: make(chan event, 100)}
	b.d = dropin.New(dir, dropin.Options{
		Load: func(_ context.Context, f *dropin.Files) error {
			b.events <- event{f.Name, string(f.Module), string(f.Settings) + string(f.Vectors)}
			if strings.HasPrefix(string(f.Module), "bad") {
				return errors.New("it is bad")
			}
			return nil
		},
		Remove: func(name string) error {
			b.events <- event{name: name, module: "gone"}
			return nil
		},
		Settle: 5 * time.Millisecond,
		Poll:   50 * time.Millisecond,
	})
	return b
}

// watch has the directory watched until the test ends.
func (b *bench) watch() {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.d.Watch(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

// await waits for an event. Others of the same name before it are what was seen on the way there: a file may be
// judged before it is complete, but what it held then must be a beginning of it.
func (b *bench) await(name, module string) event {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-b.events:
			if e.name == name && e.module == module {
				return e
			}
			if e.name == name && e.module != "gone" && strings.HasPrefix(module, e.module) {
				continue
			}
			b.t.Fatalf("%+v, and not %s %q", e, name, module)
		case <-deadline:
			b.t.Fatalf("nothing happens; %s %q should", name, module)
		}
	}
}

// quiet expects that nothing has happened. A scan of its own makes sure that everything was looked at.
func (b *bench) quiet() {
	b.t.Helper()
	if err := b.d.Scan(b.t.Context()); err != nil {
		b.t.Error(err)
	}
	select {
	case e := <-b.events:
		b.t.Errorf("%+v", e)
	default:
	}
}

func (b *bench) write(file, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, file), []byte(text), 0o666); err != nil {
		b.t.Fatal(err)
	}
}

// place writes a file elsewhere and renames it to where it belongs, so that it is there at once.
func (b *bench) place(file, text string) {
	b.t.Helper()
	away := filepath.Join(b.t.TempDir(), "f")
	if err := os.WriteFile(away, []byte(text), 0o666); err != nil {
		b.t.Fatal(err)
	}
	check(b.t, os.Rename(away, filepath.Join(b.dir, file)))
}

func (b *bench) remove(file string) {
	b.t.Helper()
	check(b.t, os.Remove(filepath.Join(b.dir, file)))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// skipWithoutLinks skips where a link to a directory cannot be made, or swapped for another by renaming: Windows makes
// them for some users alone, and does not swap them.
func skipWithoutLinks(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	var err error
	for _, release := range []string{"one", "two"} {
		link := filepath.Join(dir, "link")
		err = errors.Join(err, os.Mkdir(filepath.Join(dir, release), 0o777),
			os.WriteFile(filepath.Join(dir, release, release), nil, 0o666),
			os.Symlink(release, link+".tmp"), os.Rename(link+".tmp", link))
		if _, there := os.Stat(filepath.Join(link, release)); there != nil {
			err = errors.Join(err, there)
		}
	}
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		t.Skipf("this system does not swap links: %s", strings.ReplaceAll(reason, dir, "DIR"))
	}
}

// verdict returns the latest of a name.
func (b *bench) verdict(name string) dropin.Verdict {
	for _, v := range b.d.Verdicts() {
		if v.Name == name {
			return v
		}
	}
	return dropin.Verdict{}
}

// verdictIs waits until a name's verdict is of a module: it is recorded after Load has returned.
func (b *bench) verdictIs(name, module string, refused bool) dropin.Verdict {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() {
		if v := b.verdict(name); v.SHA256 == digest(module) && (v.Err != nil) == refused {
			return v
		}
	}
	b.t.Fatalf("the verdict of %s is %+v", name, b.verdict(name))
	return dropin.Verdict{}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestAddedReplacedRemoved(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.watch()
	b.place("a.wasm", "one")
	b.await("a", "one")
	if v := b.verdictIs("a", "one", false); v.Serving != v.SHA256 {
		t.Errorf("%+v", v)
	}
	b.place("a.wasm", "two")
	b.await("a", "two")
	b.place("b.wasm", "other")
	b.await("b", "other")
	b.remove("a.wasm")
	b.await("a", "gone")
	if v := b.d.Verdicts(); len(v) != 1 || v[0].Name != "b" {
		t.Errorf("the verdicts are %+v", v)
	}
	b.place("a.wasm", "three")
	b.await("a", "three")
	b.verdictIs("a", "three", false)
	if got, want := b.d.Totals(), (dropin.Totals{Loaded: 4, Removed: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestRefused: what is refused leaves what was there before.
func TestRefused(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.watch()
	b.place("a.wasm", "good")
	b.await("a", "good")
	b.place("a.wasm", "bad")
	b.await("a", "bad")
	if v := b.verdictIs("a", "bad", true); v.Serving != digest("good") || v.Err.Error() != "it is bad" {
		t.Errorf("%+v", v)
	}
	b.quiet() // it is not judged twice
	b.d.Rescan()
	b.await("a", "bad") // but when asked to
	b.place("a.wasm", "better")
	b.await("a", "better")
	b.place("c.wasm", "bad from the beginning")
	b.await("c", "bad from the beginning")
	if v := b.verdictIs("c", "bad from the beginning", true); v.Serving != "" {
		t.Errorf("%+v", v)
	}
	b.remove("c.wasm")
	b.remove("a.wasm")
	b.await("a", "gone") // and nobody is told of c, which never served
}

// TestBesides: the files beside NAME.wasm belong to it, whichever of them changes.
func TestBesides(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.place("a.toml", "T")
	b.place("other.toml", "T") // there is no other.wasm
	b.place("a.vectors.txt", "V")
	b.place("a.wasm", "one")
	b.watch()
	if e := b.await("a", "one"); e.rest != "TV" {
		t.Errorf("%+v", e)
	}
	b.place("a.toml", "U")
	if e := b.await("a", "one"); e.rest != "UV" {
		t.Errorf("%+v", e)
	}
	b.remove("a.vectors.txt")
	if e := b.await("a", "one"); e.rest != "U" {
		t.Errorf("%+v", e)
	}
	b.quiet()
}

func TestPin(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.place("a.sha256", digest("one")+"\n")
	b.place("a.wasm", "one")
	b.watch()
	b.await("a", "one")
	b.place("a.wasm", "two")
	if v := b.verdictIs("a", "two", true); v.Serving != digest("one") || !strings.Contains(v.Err.Error(), "a.sha256 wants "+digest("one")) {
		t.Errorf("%+v", v)
	}
	b.place("a.sha256", fmt.Sprintf("%s *elsewhere/b.wasm\n%s  a.wasm\n", digest("three"), strings.ToUpper(digest("two"))))
	b.await("a", "two")
	b.place("a.sha256", digest("two")+"  b.wasm")
	if v := b.verdictIs("a", "two", true); !strings.Contains(v.Err.Error(), "there is no SHA-256 of a.wasm in it") {
		t.Errorf("%+v", v)
	}
}

// TestNotOurs: temporary files, directories and names that are none are not seen.
func TestNotOurs(t *testing.T) {
	b := newBench(t, t.TempDir())
	for _, name := range []string{
		".a.wasm.swp", ".a.wasm", "a.wasm~", "#a.wasm#", ".#a.wasm", "4913", "a.wasm.tmp", "a.wasm.part", ".a.wasm.Xu7f2P",
		"a.wasm.crdownload", "-rf.wasm", "a b.wasm", "ä.wasm", ".wasm", "a.WASM", strings.Repeat("a", 65) + ".wasm", "sedBx2.wasm.bak",
	} {
		b.write(name, "one")
	}
	check(t, os.Mkdir(filepath.Join(b.dir, "dir.wasm"), 0o777))
	b.quiet()
	b.watch()
	b.place("z.wasm", "last")
	b.await("z", "last")
	if v := b.d.Verdicts(); len(v) > 1 {
		t.Errorf("%+v", v)
	}
}

// TestHalfWritten: a file that grows is judged as a whole in the end, whatever is seen of it on the way.
func TestHalfWritten(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.watch()
	b.place("a.wasm", "old")
	b.await("a", "old")
	whole := strings.Repeat("0123456789", 1000)
	f, err := os.Create(filepath.Join(b.dir, "a.wasm")) // which truncates it
	check(t, err)
	defer f.Close()
	for piece := range len(whole) / 100 {
		if _, err := f.WriteString(whole[piece*100 : piece*100+100]); err != nil {
			t.Fatal(err)
		}
		if piece%20 == 0 { // the watcher has every chance to look
			b.d.Rescan()
			runtime.Gosched()
		}
	}
	b.await("a", whole)
	b.verdictIs("a", whole, false)
}

// TestUnsettled: with patience, a file that is being written is not judged at all.
func TestUnsettled(t *testing.T) {
	dir := t.TempDir()
	loaded := make(chan string, 10)
	d := dropin.New(dir, dropin.Options{
		Load:   func(_ context.Context, f *dropin.Files) error { loaded <- string(f.Module); return nil },
		Remove: func(string) error { return nil },
		Settle: time.Hour,
		Poll:   time.Millisecond,
	})
	check(t, os.WriteFile(filepath.Join(dir, "a.wasm"), []byte("young"), 0o666))
	check(t, os.WriteFile(filepath.Join(dir, "b.wasm"), []byte("old"), 0o666))
	check(t, os.Chtimes(filepath.Join(dir, "b.wasm"), time.Time{}, time.Now().Add(-2*time.Hour)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Watch(ctx) }()
	if got := <-loaded; got != "old" {
		t.Errorf("%q was loaded", got)
	}
	check(t, os.Chtimes(filepath.Join(dir, "a.wasm"), time.Time{}, time.Now().Add(-2*time.Hour)))
	if got := <-loaded; got != "young" {
		t.Errorf("%q was loaded", got)
	}
	cancel()
	check(t, <-ended)
}

// TestKubernetes: a volume's files are links to links, and the one in the middle is swapped.
func TestKubernetes(t *testing.T) {
	skipWithoutLinks(t)
	b := newBench(t, t.TempDir())
	release := func(name string, files map[string]string) {
		dir := filepath.Join(b.dir, name)
		check(t, os.Mkdir(dir, 0o777))
		for file, text := range files {
			check(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666))
		}
		link := filepath.Join(b.dir, "..data_tmp")
		check(t, os.Symlink(name, link))
		check(t, os.Rename(link, filepath.Join(b.dir, "..data")))
	}
	release("..2026_01", map[string]string{"a.wasm": "one", "a.toml": "T"})
	for _, file := range []string{"a.wasm", "a.toml"} {
		check(t, os.Symlink(filepath.Join("..data", file), filepath.Join(b.dir, file)))
	}
	b.watch()
	if e := b.await("a", "one"); e.rest != "T" {
		t.Errorf("%+v", e)
	}
	release("..2026_02", map[string]string{"a.wasm": "two", "a.toml": "U"})
	if e := b.await("a", "two"); e.rest != "U" { // both at once
		t.Errorf("%+v", e)
	}
	check(t, os.RemoveAll(filepath.Join(b.dir, "..2026_01")))
	release("..2026_03", map[string]string{"b.wasm": "three"}) // a's links lead nowhere now
	b.await("a", "gone")
}

// TestLinkedDirectory: the directory itself is a link that is swapped.
func TestLinkedDirectory(t *testing.T) {
	skipWithoutLinks(t)
	root := t.TempDir()
	for _, release := range []string{"one", "two"} {
		check(t, os.Mkdir(filepath.Join(root, release), 0o777))
		check(t, os.WriteFile(filepath.Join(root, release, "a.wasm"), []byte(release), 0o666))
	}
	link := filepath.Join(root, "current")
	check(t, os.Symlink("one", link))
	b := newBench(t, link)
	b.watch()
	b.await("a", "one")
	check(t, os.Symlink("two", link+".tmp"))
	check(t, os.Rename(link+".tmp", link))
	b.await("a", "two")
	b.place("a.wasm", "three") // what is watched now is the other directory
	b.await("a", "three")
}

// TestDirectoryGoesAndComesBack: while it is gone, everything serves on.
func TestDirectoryGoesAndComesBack(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "handlers"))
	check(t, os.Mkdir(b.dir, 0o777))
	b.place("a.wasm", "one")
	b.watch()
	b.await("a", "one")
	away := b.dir + ".away"
	check(t, os.Rename(b.dir, away)) // at once, with all that is in it
	if err := b.d.Scan(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a scan of nothing gives %v", err)
	}
	if v := b.d.Verdicts(); len(v) != 1 || v[0].Serving != digest("one") {
		t.Errorf("%+v", v)
	}
	check(t, os.Mkdir(b.dir, 0o777))
	b.place("a.wasm", "two")
	if e := <-b.events; e.module == "gone" {
		t.Skip("the new directory was seen before there was a file in it") // as it should be
	} else if e.module != "two" {
		t.Errorf("%+v", e)
	}
	check(t, os.RemoveAll(b.dir))
	if err := os.Rename(away, b.dir); runtime.GOOS == "windows" && err != nil {
		t.Skip("a directory that is watched keeps its name here: ", err) // Wine; Windows frees it
	} else {
		check(t, err)
	}
	b.await("a", "one")
}

// TestUnreadable: a file that cannot be read is refused once, and read as soon as it can be.
func TestUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("here every file can be read")
	}
	b := newBench(t, t.TempDir())
	b.write("a.wasm", "one")
	check(t, os.Chmod(filepath.Join(b.dir, "a.wasm"), 0))
	check(t, b.d.Scan(t.Context()))
	check(t, b.d.Scan(t.Context()))
	if got := b.d.Totals(); got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	check(t, os.Chmod(filepath.Join(b.dir, "a.wasm"), 0o666))
	check(t, b.d.Scan(t.Context()))
	b.await("a", "one")
}

func TestNoFile(t *testing.T) {
	skipWithoutLinks(t)
	b := newBench(t, t.TempDir())
	check(t, os.Mkdir(filepath.Join(b.dir, "there"), 0o777))
	check(t, os.Symlink("there", filepath.Join(b.dir, "a.wasm")))
	check(t, b.d.Scan(t.Context()))
	if v := b.verdict("a"); v.Err == nil || !strings.Contains(v.Err.Error(), "is no file") {
		t.Errorf("%+v", v)
	}
	b.quiet()
}

func TestTooLong(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.write("a.wasm", "")
	b.write("a.sha256", strings.Repeat("x", 64<<10+1))
	check(t, b.d.Scan(t.Context()))
	if v := b.verdict("a"); v.Err == nil || !strings.Contains(v.Err.Error(), "has 65537 bytes, more than 65536") {
		t.Errorf("%+v", v)
	}
}

// TestTouched: a file that was touched, or written anew with what it held, is not judged again.
func TestTouched(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.place("a.wasm", "one")
	check(t, b.d.Scan(t.Context()))
	b.await("a", "one")
	b.place("a.wasm", "one")
	b.quiet()
	check(t, os.Chtimes(filepath.Join(b.dir, "a.wasm"), time.Time{}, time.Now().Add(-time.Hour)))
	b.quiet()
	b.quiet() // by now its times vouch for it
	b.place("a.wasm", "two")
	check(t, b.d.Scan(t.Context()))
	b.await("a", "two")
}

func TestWithoutADirectory(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "nowhere"))
	if _, err := b.d.Names(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	b.watch() // which waits for it
	check(t, os.Mkdir(b.dir, 0o777))
	b.place("a.wasm", "one")
	b.await("a", "one")
	if names, err := b.d.Names(); err != nil || len(names) != 1 || names[0] != "a" {
		t.Errorf("%v, %v", names, err)
	}
}
