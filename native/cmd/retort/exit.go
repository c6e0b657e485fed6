package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes.
const (
	exitDone    = 0
	exitFailure = 1
	exitUsage   = 2
	exitConfig  = 78 // EX_CONFIG of sysexits(3)
)

func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes say",
		Long: `Exit codes:

  0  done; a server was told to end by SIGINT or SIGTERM, while it started or after it has answered what had arrived;
     a bench that is told to end shows what it has measured
  1  it could not be done: the port is in use or out of range, a handler is not fit, no reply came, or the command was
     told to end before it was done
  2  the command line cannot be understood
 78  the configuration cannot be used: the file, a variable, or what it names

With any but 0, the last line on standard error says why. A second SIGINT or SIGTERM ends the process at
once, by that signal: a shell shows 130 or 143.`,
	}
}

// exitError is an error that has an exit code.
type exitError struct {
	code int
	error
}

func (e *exitError) Unwrap() error { return e.error }

// usagef returns an error of the command line.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// configError returns an error of the configuration: a file, a variable, or what these name.
func configError(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitConfig, err}
}

// settingError is an error that is about the value of one setting, so that it can be told where that comes from.
type settingError struct {
	key string
	error
}

func (e *settingError) Unwrap() error { return e.error }

// about says that an error is about a setting.
func about(key string, err error) error {
	if err == nil {
		return nil
	}
	return &settingError{key, err}
}

// errInterrupted says that a command was told to end before it had done what it was asked for.
var errInterrupted = errors.New("interrupted")

// orInterrupted returns err, but errInterrupted for one that came when ctx had ended: there is no more to say then.
func orInterrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// exclusive returns an error when the flag was given and one of the others was, too.
func exclusive(cmd *cobra.Command, flag string, others ...string) error {
	return exclusiveIn(cmd.Flags(), flag, others...)
}

func exclusiveIn(flags *pflag.FlagSet, flag string, others ...string) error {
	if !flags.Changed(flag) {
		return nil
	}
	for _, other := range others {
		if flags.Changed(other) {
			return usagef("--%s and --%s exclude each other", flag, other)
		}
	}
	return nil
}

// action makes a cobra action of f. Errors of f are failures to do what was asked, unless they say
// otherwise; errors that cobra finds before it calls an action are about the command line.
func action(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if _, ok := errors.AsType[*exitError](err); err == nil || ok {
			return err
		}
		return &exitError{exitFailure, err}
	}
}

// report writes what went wrong, on one line, and returns the exit code.
func report(stderr io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	code, hint := exitUsage, ""
	if e, ok := errors.AsType[*exitError](err); ok {
		code = e.code
	}
	if code == exitUsage {
		hint = fmt.Sprintf(" (try: %s --help)", cmd.CommandPath())
	}
	// Where standard error cannot be written, the exit code is all there is left to say.
	_, _ = fmt.Fprintf(stderr, "%s: %s%s\n", cmd.CommandPath(), oneLine(err.Error()), hint)
	return code
}

// oneLine joins lines, and escapes what would not show as itself: the text may hold what a file or a peer
// put there.
func oneLine(text string) string {
	var line strings.Builder
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line.Len() > 0 {
			line.WriteString("; ")
		}
		for _, r := range strings.TrimSpace(part) {
			if strconv.IsPrint(r) {
				line.WriteRune(r)
			} else {
				line.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			}
		}
	}
	return line.String()
}
