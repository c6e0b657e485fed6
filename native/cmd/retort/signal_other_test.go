//go:build !unix

package main

import "testing"

// terminate cannot be: these systems have no signal that another process could send.
func (p *subprocess) terminate(t *testing.T) { t.Skip("this system has no signals") }
