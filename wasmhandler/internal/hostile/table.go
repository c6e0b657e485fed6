package hostile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cost is what a case cost when it was last measured, as the table shows it.
type Cost struct{ Took, Pause string }

// NewCost makes one of figures. On another day, and another machine, it is another.
func NewCost(f Figures) Cost { return Cost{rounded(f.Took), rounded(f.Pause)} }

// rounded shows a time to two digits.
func rounded(d time.Duration) string {
	switch ms := d.Seconds() * 1000; {
	case ms < 0.1:
		return "< 0.1 ms"
	case ms < 1000:
		return twoDigits(ms) + " ms"
	}
	return twoDigits(d.Seconds()) + " s"
}

// twoDigits is a number with the two digits that mean something, and never with an exponent.
func twoDigits(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 2, 64), 64) // it was formatted as one
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// tableHead begins the table.
const tableHead = "| module | what it does | what it gets | took | pause |\n| --- | --- | --- | ---: | ---: |\n"

// Table is the cases as a table in Markdown, with what they cost where that is known.
func Table(cases []Case, costs map[string]Cost) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, c := range cases {
		cost := costs[c.Name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.Name, cell(c.Does), cell(c.Want), cell(cost.Took), cell(cost.Pause))
	}
	return b.String()
}

// WithTable returns a page whose last part is the table, with the table brought up to date. Costs are those that the
// page has, and where there are newer ones, those.
func WithTable(page string, cases []Case, newer map[string]Cost) string {
	text, rows, _ := strings.Cut(strings.ReplaceAll(page, "\r\n", "\n"), tableHead)
	costs := map[string]Cost{}
	for row := range strings.Lines(rows) {
		cells := strings.Split(strings.Trim(row, "| \n"), " | ")
		if n := len(cells); n >= 5 {
			costs[cells[0]] = Cost{uncell(cells[n-2]), uncell(cells[n-1])}
		}
	}
	for name, cost := range newer {
		costs[name] = cost
	}
	return text + Table(cases, costs)
}

// cell keeps a text from ending its cell, or being taken for markup.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "_", `\_`, `\`, `\\`).Replace(text)
}

// uncell is the text of a cell that has no markup but a less-than sign.
func uncell(text string) string { return strings.ReplaceAll(text, "&lt;", "<") }
