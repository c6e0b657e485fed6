package hostile

import (
	"fmt"
	"strings"
)

// tableHead begins the table.
const tableHead = "| module | what it does | what it gets |\n| --- | --- | --- |\n"

// Table is the cases as a table in Markdown.
func Table(cases []Case) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, c := range cases {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, cell(c.Does), cell(c.Want))
	}
	return b.String()
}

// WithTable returns a page whose last part is the table, with the table brought up to date.
func WithTable(page string, cases []Case) string {
	text, _, _ := strings.Cut(page, tableHead)
	return text + Table(cases)
}

// cell keeps a text from ending its cell, or being taken for markup.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "_", `\_`, `\`, `\\`).Replace(text)
}
