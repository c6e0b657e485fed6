package main

import (
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
)

const (
	exampleHead = `# A configuration of "retort server": retort server --config THIS_FILE
#
# Every key is a flag of "retort server" by its name, and stands here with its default, behind a "#". Each has a
# variable, too: RETORT_RATE_LIMIT for rate-limit. A flag counts more than a variable, that more than this file.
# Names of files are relative to this file. "retort config check THIS_FILE" says whether a server could start with it,
# "retort config show THIS_FILE" what is in force and where each value comes from.

# What all listeners share comes first.
`
	exampleDefaults = `
# What goes for every listener that does not say otherwise.
[defaults]
`
	exampleListeners = `
# Each listener has its own addresses, and whatever differs from the defaults. Without any there is one, on
# 127.0.0.1, unless "handlers" is set: then the files of that directory say where they listen.
#
#     [[listener]]
#     name = "time"
#     addresses = ["0.0.0.0:1060", "[::]:1060"]
#     handler = "time"
#
#     [[listener]]
#     name = "mine"
#     addresses = ["192.0.2.1:5000"]
#     handler = "mine.wasm"
#     handler-config = "@mine.conf"
#     allow = ["192.0.2.0/24"]
#
# A handler of the directory is used by its name: handler = "NAME".
`
	exampleWidth = 110 // columns
)

// writeExample writes a configuration file with every key.
func writeExample(out io.Writer) error {
	var text strings.Builder
	schema := fileSchema()
	text.WriteString(exampleHead)
	if err := writeKeys(&text, schema.Top); err != nil {
		return err
	}
	text.WriteString(exampleDefaults)
	if err := writeKeys(&text, schema.Defaults); err != nil {
		return err
	}
	text.WriteString(exampleListeners)
	_, err := io.WriteString(out, text.String())
	return err
}

// writeKeys writes the keys of a table with their defaults, and above each what it is for.
func writeKeys(text *strings.Builder, set *pflag.FlagSet) (err error) {
	set.VisitAll(func(f *pflag.Flag) {
		line, lineErr := config.Line(f)
		if lineErr != nil {
			err = lineErr
			return
		}
		text.WriteString("\n")
		usage := strings.Replace(f.Usage, strings.Join(builtin.Names(), ", "), `one of those that "retort server --help" lists`, 1)
		words := strings.Fields(strings.ReplaceAll(usage, "`", ""))
		column := 0
		for i, word := range words {
			switch {
			case i == 0:
				text.WriteString("#")
				column = 1
			case column+1+len(word) > exampleWidth:
				text.WriteString("\n#")
				column = 1
			}
			text.WriteString(" " + word)
			column += 1 + len(word)
		}
		text.WriteString("\n#" + line + "\n")
	})
	return err
}
