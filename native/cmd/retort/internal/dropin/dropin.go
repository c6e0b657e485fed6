// Package dropin keeps handlers in step with the files of a directory, while they serve.
//
// Each NAME.wasm in the directory is a handler called NAME. Beside it may lie NAME.toml with its settings,
// NAME.vectors.txt with its self-test, and NAME.sha256, which says which NAME.wasm is meant. What a file is good for
// is not decided here: a [Directory] finds out that something has changed, reads the files of that NAME together,
// and hands them to Options.Load, which refuses them or has them serve. What was there before goes on when they are
// refused, and is told to Options.Remove when NAME.wasm is gone.
//
// A Directory looks at what there is and does not count on what it is told: notifications only have it look sooner.
// So it does not matter in which order files are written, renamed, linked or removed, whether a link in the middle of
// a path is swapped, as Kubernetes does it, or whether the directory itself goes away and comes back. Files that were
// written a moment ago are left alone until they have settled, so that none is judged half-written; one that is
// judged too early is judged again when it is complete. A directory that cannot be read changes nothing.
//
// Names that begin with anything but a letter or a digit, or end in anything else, are nobody's: so the temporary files
// of editors and copying programs are not seen, nor is anything below the directory.
package dropin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// The defaults of Options.
const (
	// DefaultSettle is longer than a copying program pauses, and too short for a person to wait.
	DefaultSettle = 250 * time.Millisecond

	// DefaultPoll bounds for how long something goes unnoticed of which no notification tells: a change behind
	// a link, or on a file system of another machine.
	DefaultPoll = 10 * time.Second
)

// Options are what a Directory needs. Load and Remove are called one at a time.
type Options struct {
	// Load judges the files of a NAME that is new or has changed, and has it serve. An error refuses them: what
	// served before does so still. It ends early when ctx does.
	Load func(ctx context.Context, f *Files) error

	// Remove ends a handler that Load has had serve, and whose NAME.wasm is gone.
	Remove func(name string) error

	// Log is told of what is loaded, refused and removed; nil is silence.
	Log *slog.Logger

	// Settle is how long files must have been left alone before they are read, and a NAME.wasm must be missing
	// before it counts as removed. 0 is DefaultSettle.
	Settle time.Duration

	// Poll is how often the directory is looked at without a notification. 0 is DefaultPoll; negative: never.
	Poll time.Duration
}

// Verdict is what became of the files of a NAME.
type Verdict struct {
	Name    string
	SHA256  string    // of NAME.wasm, in hexadecimal; "": it could not be read
	Time    time.Time // when they were judged
	Err     error     // why they were refused; nil: they serve
	Serving string    // the SHA256 of what serves; "": nothing does
}

// Totals count verdicts.
type Totals struct{ Loaded, Refused, Removed uint64 }

// Directory watches a directory.
type Directory struct {
	path    string
	options Options
	asked   chan struct{} // holds one when somebody wants it looked at

	looking sync.Mutex        // held by the one that looks
	known   map[string]*entry // by NAME; looking's
	orphans map[string]bool   // names that were told of; looking's
	trouble string            // why the directory cannot be read, as it was told last; looking's

	mu       sync.Mutex // guards what follows, which others ask for
	verdicts map[string]Verdict
	totals   Totals
}

// entry is what is known of a NAME.
type entry struct {
	stamps  stamps    // of its files when they were read; nil: they were not
	print   [32]byte  // of what they held
	serving string    // as in Verdict
	refusal string    // what was told of the latest verdict; "": nothing, or they serve
	missing time.Time // since when NAME.wasm has been; zero: it is there
}

// New returns a Directory for what lies at path.
func New(path string, o Options) *Directory {
	if o.Settle == 0 {
		o.Settle = DefaultSettle
	}
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Directory{
		path: path, options: o, asked: make(chan struct{}, 1),
		known: make(map[string]*entry), orphans: make(map[string]bool), verdicts: make(map[string]Verdict),
	}
}

// Path returns where the directory is.
func (d *Directory) Path() string { return d.path }

// Names lists the NAMEs for which there is a file now, judged or not.
func (d *Directory) Names() ([]string, error) {
	found, err := list(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for name, files := range found {
		if files.has(module) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Scan judges all files as they are now, settled or not. An error is that the directory cannot be read.
func (d *Directory) Scan(ctx context.Context) error {
	_, err := d.look(ctx, false)
	return err
}

// Rescan has Watch look at the directory soon, without a notification. What was refused is judged again, for the
// reason may have lain elsewhere.
func (d *Directory) Rescan() {
	select {
	case d.asked <- struct{}{}:
	default: // it will
	}
}

// Hold calls do while no file is judged and none is told to be gone.
func (d *Directory) Hold(do func()) {
	d.looking.Lock()
	defer d.looking.Unlock()
	do()
}

// Renew calls change while no file is judged, and has Watch judge all of them again soon: what they are judged by has
// changed.
func (d *Directory) Renew(change func()) {
	d.Hold(func() {
		change()
		for _, e := range d.known {
			e.stamps, e.refusal = nil, ""
		}
	})
	d.Rescan()
}

// Verdicts returns the latest verdict of each NAME for which there are files, by NAME.
func (d *Directory) Verdicts() (list []Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.verdicts {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Verdict) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Totals returns how many verdicts there were.
func (d *Directory) Totals() Totals {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.totals
}

// look compares the directory with what is known of it, and acts on the differences. With patience, files that
// have not settled are left for later: again is when, zero if there are none.
func (d *Directory) look(ctx context.Context, patient bool) (again time.Time, err error) {
	d.looking.Lock()
	defer d.looking.Unlock()
	found, err := list(d.path)
	if err != nil {
		d.troubled(err)
		return again, err
	}
	d.troubled(nil)
	later := func(t time.Time) {
		if again.IsZero() || t.Before(again) {
			again = t
		}
	}
	names := make([]string, 0, len(found)+len(d.known))
	for name := range found {
		names = append(names, name)
	}
	for name := range d.known {
		if _, ok := found[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if ctx.Err() != nil {
			return again, nil
		}
		if found[name].has(module) {
			if wait := d.present(ctx, name, found[name], patient); !wait.IsZero() {
				later(wait)
			}
		} else if wait := d.absent(name, found[name], patient); !wait.IsZero() {
			later(wait)
		}
	}
	return again, nil
}

// troubled tells once that the directory cannot be read, and once that it can again.
func (d *Directory) troubled(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == d.trouble {
		return
	}
	if d.trouble = text; err != nil {
		d.options.Log.Error("the directory of handlers cannot be read; what was loaded serves on", "error", err)
	} else {
		d.options.Log.Info("the directory of handlers can be read again", "directory", d.path)
	}
}

// present looks at the files of a NAME.
func (d *Directory) present(ctx context.Context, name string, found stamps, patient bool) (wait time.Time) {
	e := d.known[name]
	if e == nil {
		e = new(entry)
		d.known[name] = e
	}
	e.missing = time.Time{}
	delete(d.orphans, name)
	now := time.Now()
	if e.stamps.vouchFor(found) {
		return wait
	}
	if settled := found.youngest().Add(d.options.Settle); patient && settled.After(now) && !found.youngest().After(now) {
		return settled
	}
	files, err := read(d.path, name, found)
	if errors.Is(err, errChanging) && !patient {
		files, err = d.readAgain(ctx, name)
	}
	if errors.Is(err, errChanging) {
		if patient {
			return now.Add(d.options.Settle)
		}
		err = fmt.Errorf("%s is being written", name)
	}
	if err == nil && e.stamps != nil && files.print == e.print {
		e.stamps = files.stamps // touched, and the same
		return wait
	}
	d.judge(ctx, e, name, files, err)
	return wait
}

// judge has the files loaded or refused. Err is why they could not even be read.
func (d *Directory) judge(ctx context.Context, e *entry, name string, files *Files, err error) {
	if err == nil {
		err = files.checkPin()
	}
	if err == nil {
		err = d.options.Load(ctx, files)
	}
	if err != nil && ctx.Err() != nil {
		return // it was not judged
	}
	v := Verdict{Name: name, Time: time.Now(), Err: err}
	if files != nil {
		e.stamps, e.print, v.SHA256 = files.stamps, files.print, files.SHA256
	}
	attrs := []any{"handler", name, "sha256", v.SHA256}
	before := e.refusal
	if e.refusal = ""; err != nil {
		e.refusal = v.SHA256 + " " + err.Error()
	}
	switch {
	case err == nil:
		e.serving = v.SHA256
		d.options.Log.Info("handler loaded", attrs...)
	case before == e.refusal:
		return // as it was: a file that cannot be read is tried again each time
	case e.serving != "":
		d.options.Log.Error("handler refused; the one that serves goes on", append(attrs, "serving", e.serving, "error", err)...)
	default:
		d.options.Log.Error("handler refused", append(attrs, "error", err)...)
	}
	v.Serving = e.serving
	d.record(v)
}

func (d *Directory) verdict(name string) Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.verdicts[name]
}

func (d *Directory) record(v Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.verdicts[v.Name] = v
	if v.Err == nil {
		d.totals.Loaded++
	} else {
		d.totals.Refused++
	}
}

// reconsider has the next look judge again what was refused.
func (d *Directory) reconsider() {
	d.looking.Lock()
	defer d.looking.Unlock()
	for name, e := range d.known {
		if d.verdict(name).Err != nil {
			e.stamps, e.refusal = nil, ""
		}
	}
}

// readAgain reads files that were replaced after the directory was listed: whoever looks but once, such as a server
// that starts, must not take a new version that has just come for one that is not fit.
func (d *Directory) readAgain(ctx context.Context, name string) (files *Files, err error) {
	const tries, pause = 20, 25 * time.Millisecond
	err = errChanging
	for range tries {
		if !errors.Is(err, errChanging) {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errChanging
		}
		found, listed := list(d.path)
		if listed != nil {
			return nil, listed
		}
		if found[name].has(module) {
			files, err = read(d.path, name, found[name])
		}
	}
	return files, err
}

// absent looks at a NAME that has no NAME.wasm.
func (d *Directory) absent(name string, found stamps, patient bool) (wait time.Time) {
	e := d.known[name]
	if e == nil {
		return d.orphan(name, found, patient)
	}
	if e.missing.IsZero() {
		e.missing = time.Now()
	}
	if end := e.missing.Add(d.options.Settle); patient && time.Now().Before(end) {
		return end
	}
	delete(d.known, name)
	d.mu.Lock()
	delete(d.verdicts, name)
	if e.serving != "" {
		d.totals.Removed++
	}
	d.mu.Unlock()
	if e.serving == "" {
		return wait
	}
	if err := d.options.Remove(name); err != nil {
		d.options.Log.Error("handler removed, not without trouble", "handler", name, "error", err)
	} else {
		d.options.Log.Info("handler removed", "handler", name)
	}
	return wait
}

// orphan tells once of files beside a NAME.wasm that is not there: it may be yet to come, or called otherwise.
func (d *Directory) orphan(name string, found stamps, patient bool) (wait time.Time) {
	if settled := found.youngest().Add(d.options.Settle); patient && settled.After(time.Now()) && !found.youngest().After(time.Now()) {
		return settled
	}
	if !d.orphans[name] {
		d.orphans[name] = true
		d.options.Log.Warn("there are files for a handler that is not there", "handler", name, "missing", name+endings[module])
	}
	return wait
}
