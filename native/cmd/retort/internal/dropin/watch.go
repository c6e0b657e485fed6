package dropin

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fsnotify/fsnotify"
)

// patience bounds how long files that do not come to rest keep the Directory from looking at the others, in
// multiples of Settle.
const patience = 8

// Watch keeps handlers in step with the directory until ctx ends. It returns an error when it cannot: where there
// are no notifications to be had, and Poll says not to do without.
func (d *Directory) Watch(ctx context.Context) error {
	w := &watcher{directory: d}
	if err := w.begin(); err != nil {
		if d.options.Poll < 0 {
			return fmt.Errorf("watching %s: %w", d.path, err)
		}
		d.options.Log.Warn("there are no notifications of changes to handlers; they are noticed more slowly",
			"directory", d.path, "every", d.options.Poll, "error", err)
	}
	defer w.end()
	w.run(ctx)
	return nil
}

// watcher waits for a reason to look.
type watcher struct {
	directory *Directory
	notify    *fsnotify.Watcher // nil: there are no notifications
	armed     fs.FileInfo       // the directory that is watched; nil: none is
}

// begin asks for notifications.
func (w *watcher) begin() (err error) {
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		w.notify = nil
		return err
	}
	// The directory may go and come back, or be a link that is swapped; where the system watches by descriptors,
	// one for each file there, that is left to polling.
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		_ = w.notify.Add(filepath.Dir(filepath.Clean(w.directory.path))) // without, polling notices
	}
	return w.arm()
}

func (w *watcher) end() {
	if w.notify != nil {
		_ = w.notify.Close() // nobody listens any more
	}
}

// arm watches the directory that is there now, unless it is watched already.
func (w *watcher) arm() error {
	if w.notify == nil {
		return nil
	}
	path := w.directory.path
	now, err := os.Stat(path)
	if err == nil && w.armed != nil && os.SameFile(w.armed, now) {
		return nil
	}
	_ = w.notify.Remove(path) // it is another directory, or none, that had the path
	w.armed = nil
	if err != nil {
		return err
	}
	if err := w.notify.Add(path); err != nil {
		return err
	}
	w.armed = now
	return nil
}

// run looks at the directory when there is a reason, until ctx ends.
func (w *watcher) run(ctx context.Context) {
	d := w.directory
	var events chan fsnotify.Event
	var errs chan error
	if w.notify != nil {
		events, errs = w.notify.Events, w.notify.Errors
	}
	due := time.NewTimer(0) // what happened before the watch began is seen, too
	defer due.Stop()
	var first time.Time // of the events since the last look; zero: there were none
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if w.matters(e) {
				if first.IsZero() {
					first = time.Now()
				}
				due.Reset(w.rest(first))
			}
		case _, ok := <-errs: // an overflow: what was lost is seen by looking
			if !ok {
				errs = nil
			}
			due.Reset(d.options.Settle)
		case <-d.asked:
			d.reconsider()
			due.Reset(0)
		case <-due.C:
			first = time.Time{}
			w.look(ctx, due)
		}
	}
}

// rest returns how long to wait for more events, the first of which came at a given time.
func (w *watcher) rest(first time.Time) time.Duration {
	o := w.directory.options
	rest := min(o.Settle, time.Until(first.Add(patience*o.Settle)))
	if o.Poll >= 0 {
		rest = min(rest, o.Poll)
	}
	return max(rest, 0)
}

// look looks once, and sets the time of the next look.
func (w *watcher) look(ctx context.Context, due *time.Timer) {
	d := w.directory
	_ = w.arm()                   // when it cannot, neither can the directory be read, which is told; or polling has to do
	again, _ := d.look(ctx, true) // an error is told
	next := d.options.Poll
	if !again.IsZero() {
		wait := max(time.Until(again), time.Millisecond)
		if next < 0 || wait < next {
			next = wait
		}
	}
	if next >= 0 {
		due.Reset(next)
	}
}

// kubernetesData is the link that Kubernetes swaps when the files of a volume change together.
const kubernetesData = "..data"

// matters says whether an event can have to do with a handler.
func (w *watcher) matters(e fsnotify.Event) bool {
	base := filepath.Base(e.Name)
	if base == filepath.Base(w.directory.path) || base == kubernetesData {
		return true
	}
	_, _, ours := nameOf(base)
	return ours && filepath.Clean(filepath.Dir(e.Name)) == filepath.Clean(w.directory.path)
}
