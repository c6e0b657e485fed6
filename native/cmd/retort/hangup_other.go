//go:build !unix

package main

import "os"

// hangups returns a channel that stays empty: there is no SIGHUP here.
func hangups() (again <-chan os.Signal, stop func()) { return nil, func() {} }
