package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"
)

const captureName = "capture.pcapng"

// result is what came of a run.
type result struct {
	elapsed      time.Duration
	clients      []*client
	churn        *churn
	samples      []sample
	sampleErrors []error

	handOvers      int
	handOverErrors []error
	reloads        int
	reloadErrors   []error

	captured   int64 // bytes
	alive, end error
	complaints []string
}

// Bounds of the growth of a process between the first third of its samples and the last. Memory that the collector
// has not returned yet, and hostile modules that lie in the directory at the moment, are no growth.
const (
	rssFactor      = 1.25
	rssMore        = 48 << 20
	moreOpen       = 16
	moreGoroutines = 24
	fewestSamples  = 6
)

// impairedLoss is the share of requests that is not answered when 5 % are lost each way.
const impairedLoss = 1 - 0.95*0.95

// captured returns how much the capture takes.
func captured(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ok, _ := filepath.Match("capture*.pcapng*", e.Name()); ok {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			size += info.Size()
		}
		return nil
	})
	return size, err
}

// table collects the checks.
type table struct {
	*tabwriter.Writer
	passed bool
}

// check writes one line. Errors stay with the writer, and Flush returns them.
func (t *table) check(what string, good bool, found string, args ...any) {
	word := "pass"
	if !good {
		word, t.passed = "FAIL", false
	}
	fmt.Fprintf(t, "%s\t%s\t%s\n", what, word, fmt.Sprintf(found, args...))
}

func (t *table) leftOut(why string) {
	if why != "" {
		fmt.Fprintf(t, "left out\t-\t%s\n", why)
	}
}

// write writes the report, and says whether all is well.
func (r *result) write(out io.Writer) (passed bool, err error) {
	fmt.Fprintf(out, "Soak of %v on %s/%s, %d processors\n\n", r.elapsed.Round(time.Second), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	asked := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(asked, "listener\tasked\tsent\tanswered\tlost\twrong\tlate\tduplicate\tforeign\ta second")
	for _, c := range r.clients {
		n := c.counts
		fmt.Fprintf(asked, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f\n",
			c.listener, c.how, n.Sent, n.Answered, n.Lost, n.Wrong, n.Late, n.Extra, n.Foreign, c.rate)
	}
	if err := asked.Flush(); err != nil {
		return false, err
	}
	fmt.Fprintln(out)
	t := &table{Writer: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), passed: true}
	fmt.Fprintln(t, "check\tverdict\tfound")
	r.checkClients(t)
	r.checkChurn(t)
	r.checkGrowth(t)
	r.checkEnd(t)
	if err := t.Flush(); err != nil {
		return false, err
	}
	word := "PASS"
	if !t.passed {
		word = "FAIL"
	}
	_, err = fmt.Fprintf(out, "\nVerdict: %s\n", word)
	return t.passed, err
}

func (r *result) checkClients(t *table) {
	for _, c := range r.clients {
		n := c.counts
		clean := n.Answered > 0 && n.Wrong == 0 && n.Extra == 0 && n.Foreign == 0 && len(c.errors) == 0
		if c.lossy {
			// Six standard deviations: one run in five hundred million goes beyond by chance.
			expected := impairedLoss * float64(n.Sent)
			spread := 6 * math.Sqrt(expected*(1-impairedLoss))
			t.check("replies of "+c.listener, clean && n.Late == 0 && math.Abs(float64(n.Lost)-expected) <= spread,
				"%d lost of %d; on purpose %.0f ± %.0f%s", n.Lost, n.Sent, expected, spread, told(c.errors))
			continue
		}
		t.check("replies of "+c.listener, clean && n.Lost == 0, "%d lost, %d wrong, %d duplicate of %d%s",
			n.Lost, n.Wrong, n.Extra, n.Sent, told(c.errors))
	}
}

func (r *result) checkChurn(t *table) {
	c := r.churn
	t.check("swaps", c.swaps > 0 && len(c.swapErrors) == 0, "%d, %d failed%s", c.swaps, len(c.swapErrors), told(c.swapErrors))
	t.check("hostile modules", len(c.tried) > 0 && c.escaped == 0 && len(c.hostileErrors) == 0,
		"%d of %d tried: %d times refused, %d times contained, %d times neither%s",
		len(c.tried), len(c.hostile), c.refused, c.contained, c.escaped, told(c.hostileErrors))
	t.leftOut(noHandOver)
	if noHandOver == "" {
		t.check("hand-overs", r.handOvers > 0 && len(r.handOverErrors) == 0, "%d%s", r.handOvers, told(r.handOverErrors))
	}
	if noTerminate == "" {
		t.check("configurations", r.reloads > 0 && len(r.reloadErrors) == 0, "%d%s", r.reloads, told(r.reloadErrors))
	}
	const most = 2*captureSize + captureSize/4
	t.check("capture", r.captured > 0 && r.captured <= most, "%d KiB on disk, at most %d", r.captured>>10, most>>10)
}

func (r *result) checkGrowth(t *table) {
	t.check("status and metrics", len(r.samples) > 0 && len(r.sampleErrors) == 0, "asked %d times, %d times in vain%s",
		len(r.samples), len(r.sampleErrors), told(r.sampleErrors))
	samples := longest(r.samples)
	if len(samples) < fewestSamples {
		t.leftOut(fmt.Sprintf("growth: %d samples of one process are too few: soak for longer", len(samples)))
		return
	}
	t.leftOut(noProc)
	if noProc == "" {
		first, last := thirds(samples, func(s sample) int { return s.rss })
		limit := int(rssFactor*float64(first)) + rssMore
		t.check("memory", last <= limit, "%d MiB, at last %d, at most %d, in %d samples of one process",
			first>>20, last>>20, limit>>20, len(samples))
		first, last = thirds(samples, func(s sample) int { return s.descriptors })
		t.check("descriptors", last <= first+moreOpen, "%d, at last %d, at most %d", first, last, first+moreOpen)
	}
	first, last := thirds(samples, func(s sample) int { return s.goroutines })
	t.check("goroutines", last <= first+moreGoroutines, "%d, at last %d, at most %d", first, last, first+moreGoroutines)
}

func (r *result) checkEnd(t *table) {
	t.check("alive", r.alive == nil, "%s", orWell(r.alive))
	t.leftOut(noTerminate)
	if noTerminate == "" {
		t.check("end on SIGTERM", r.end == nil, "%s", orWell(r.end))
	}
	t.check("panics and races", len(r.complaints) == 0, "%d %q", len(r.complaints), r.complaints)
}

// told tells the first of some errors on the line that it is put on.
func told(errs []error) string {
	if len(errs) == 0 {
		return ""
	}
	return fmt.Sprintf("; the first error: %q", errs[0])
}

func orWell(err error) string {
	if errors.Is(err, nil) {
		return "well"
	}
	return fmt.Sprintf("%q", err)
}
