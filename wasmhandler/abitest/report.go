package abitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// Report is what was found out about a module. Its form in JSON is for programs to read; fields are only added.
type Report struct {
	Name      string        `json:"name"`
	OK        bool          `json:"ok"`    // no check failed
	Quick     bool          `json:"quick"` // as in Options
	Kind      Kind          `json:"kind,omitempty"`
	Module    Facts         `json:"module"`
	LoadTime  time.Duration `json:"load_ns"`              // the first time, in nanoseconds; 0: it was not loaded
	StartFuel uint64        `json:"start_fuel,omitempty"` // that it used before its first datagram
	Fuel      *Spread       `json:"fuel,omitempty"`       // that it used for a datagram, over Figures; nil: not known
	Figures   []Figure      `json:"figures,omitempty"`
	Checks    []Check       `json:"checks"`
}

// Kind is what sort of handler a module is.
type Kind string

// The kinds of handlers.
const (
	Handler Kind = "handler" // it exports retort_v1_reply
	Command Kind = "command" // it exports _start, and is started anew for each datagram
)

// Check is one thing that a handler must do.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail,omitempty"` // one line: what was found, or why it was not looked for
}

// Status is what came of a Check.
type Status string

// What comes of a Check.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Figure is what a request of one size costs.
type Figure struct {
	Size   int     `json:"size"`           // of the request, in bytes
	Reply  string  `json:"reply"`          // "28 bytes", "silence" or another outcome
	Fuel   uint64  `json:"fuel,omitempty"` // 0: not known
	Nanos  float64 `json:"ns,omitempty"`   // for one datagram, the median of several runs; 0: not measured
	Stable bool    `json:"same_twice"`     // the same request got the same reply at once afterwards
	failed bool    // the guest had a fault
}

// Spread sums up a quantity.
type Spread struct {
	Min    uint64 `json:"min"`
	Median uint64 `json:"median"`
	Max    uint64 `json:"max"`
	Limit  uint64 `json:"limit"` // what it must not exceed
}

func newReport(name string, wasm []byte, quick bool) *Report {
	r := &Report{Name: name, Quick: quick, Module: readFacts(wasm)}
	r.Module.Size = len(wasm)
	sum := sha256.Sum256(wasm)
	r.Module.SHA256 = hex.EncodeToString(sum[:])
	return r
}

// Err returns nil for a module that conforms, and otherwise an error that says why not: the first check that failed.
func (r *Report) Err() error {
	for _, c := range r.Checks {
		if c.Status == Fail {
			return fmt.Errorf("%s does not conform: %s: %s", plain(r.Name), c.Name, c.Detail)
		}
	}
	return nil
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	_ = r.WriteText(&b)
	return b.String()
}

// WriteText writes the report for people.
func (r *Report) WriteText(out io.Writer) error {
	var b bytes.Buffer
	verdict := "conforms"
	if !r.OK {
		verdict = "does not conform"
	}
	fmt.Fprintf(&b, "%s %s\n\n", plain(r.Name), verdict)
	r.writeFacts(&b)
	r.writeFigures(&b)
	r.writeChecks(&b)
	_, err := out.Write(b.Bytes())
	return err
}

func table(b *bytes.Buffer) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

func (r *Report) writeFacts(b *bytes.Buffer) {
	t := table(b)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	m := &r.Module
	row("module", "%s, %s, the largest of %s",
		count(m.Size, "byte"), count(m.Functions, "function"), count(m.LargestFunction, "byte"))
	row("sha256", "%s", m.SHA256)
	row("imports", "%s", list(m.Imports))
	row("exports", "%s", list(m.Exports))
	memory := fmt.Sprintf("%s of 64 KiB to begin with", count(int(m.MemoryPages), "page"))
	if m.MemoryMaxPages > 0 {
		memory += fmt.Sprintf(", at most %d", m.MemoryMaxPages)
	}
	row("memory", "%s", memory)
	if m.TableElements > 0 {
		row("tables", "%s to begin with", count(int(m.TableElements), "element"))
	}
	if r.LoadTime > 0 {
		row("loaded", "in %s, with %d fuel", r.LoadTime.Round(10*time.Microsecond), r.StartFuel)
	}
	if f := r.Fuel; f != nil {
		row("fuel", "%d to %d for a datagram, median %d, of %d", f.Min, f.Max, f.Median, f.Limit)
	}
	_ = t.Flush() // a Buffer takes everything
	b.WriteByte('\n')
}

func (r *Report) writeFigures(b *bytes.Buffer) {
	if len(r.Figures) == 0 {
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "request\treply\tfuel\tns\t\n")
	for _, f := range r.Figures {
		ns := "-"
		if f.Nanos > 0 {
			ns = strconv.FormatFloat(f.Nanos, 'f', 0, 64)
		}
		fmt.Fprintf(t, "%d\t%s\t%d\t%s\t\n", f.Size, f.Reply, f.Fuel, ns)
	}
	_ = t.Flush()
	b.WriteByte('\n')
}

func (r *Report) writeChecks(b *bytes.Buffer) {
	t := table(b)
	for _, c := range r.Checks {
		status := string(c.Status)
		if c.Status == Fail {
			status = "FAIL"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", status, c.Name, c.Detail)
	}
	_ = t.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list shows names, of many the first few.
func list(names []string) string {
	const few = 12
	if len(names) == 0 {
		return "none"
	}
	var shown []string
	for _, name := range names[:min(few, len(names))] {
		shown = append(shown, plain(name))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// plain shows a name that somebody else chose: as it is if it is short and all of it prints, else cut and quoted.
func plain(name string) string {
	const long = 80
	if len(name) > long {
		end := long
		for end > 0 && !utf8.RuneStart(name[end]) {
			end--
		}
		name = name[:end] + "…"
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.QuoteToASCII(name)
	}
	return name
}
