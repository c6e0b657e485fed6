package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// Line returns "key = value" with the value that a flag has, as a file takes it.
func Line(f *pflag.Flag) (string, error) {
	text, err := toml.Marshal(map[string]any{f.Name: typed(f)})
	return strings.TrimSuffix(string(text), "\n"), err
}

// typed returns the value of a flag as the type that TOML has for it.
func typed(f *pflag.Flag) any {
	all := texts(f)
	if kindOf(f) == list {
		return append([]string{}, all...)
	}
	switch kindOf(f) {
	case boolean:
		return all[0] == "true"
	case integer:
		if n, err := strconv.ParseInt(all[0], 10, 64); err == nil {
			return n
		}
	case number:
		if n, err := strconv.ParseFloat(all[0], 64); err == nil {
			return n
		}
	}
	// A port or a size is a number, if it is written as one.
	if n, err := strconv.ParseInt(all[0], 10, 64); err == nil && f.Value.Type() != "string" && strconv.FormatInt(n, 10) == all[0] {
		return n
	}
	return all[0]
}

// Write writes what the flags of a set are, one a line, each with its source. What is written is a table of a file; flags
// that are not marked as changed stand there behind a "#".
func Write(out io.Writer, set *pflag.FlagSet, sources map[string]Source) error {
	var all []string
	var from []string
	var failed error
	set.VisitAll(func(f *pflag.Flag) {
		line, err := Line(f)
		if err != nil {
			failed = fmt.Errorf("%s: %w", f.Name, err)
		}
		if !f.Changed {
			line = "#" + strings.ReplaceAll(line, "\n", "\n#")
		}
		all, from = append(all, line), append(from, sources[f.Name].String())
	})
	if failed != nil {
		return failed
	}
	width := 0
	for _, line := range all {
		if !strings.Contains(line, "\n") && len(line) <= 50 {
			width = max(width, len(line))
		}
	}
	for i, line := range all {
		if _, err := fmt.Fprintf(out, "%-*s # %s\n", width, line, from[i]); err != nil {
			return err
		}
	}
	return nil
}
