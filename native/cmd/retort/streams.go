package main

import (
	"net"
	"os"
	"strings"
)

// streams are the sockets at which a server is asked how it is. A successor takes them over as well.
type streams struct {
	inherited map[string]net.Listener // by purpose, not asked for yet
	open      map[string]net.Listener // by purpose
}

// streamMark tells them from sockets of listeners, whose names begin with no control character.
const streamMark = "\x00"

// purposeOf returns what a socket is for, when it is no listener's.
func purposeOf(name string) (purpose string, ok bool) { return strings.CutPrefix(name, streamMark) }

func (s *streams) inherit(purpose string, descriptor uintptr) {
	file := os.NewFile(descriptor, purpose)
	if file == nil {
		return
	}
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return // it is opened anew, or that fails with a reason
	}
	if s.inherited == nil {
		s.inherited = make(map[string]net.Listener)
	}
	s.inherited[purpose] = l
}

// listen returns the socket for a purpose: the predecessor's, or a new one. Purpose says where it is.
func (s *streams) listen(purpose string, open func() (net.Listener, error)) (net.Listener, error) {
	l := s.inherited[purpose]
	delete(s.inherited, purpose)
	var err error
	if l == nil {
		l, err = open()
	} else if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(true) // the last one who has it removes it
	}
	if err == nil {
		if s.open == nil {
			s.open = make(map[string]net.Listener)
		}
		s.open[purpose] = l
	}
	return l, err
}

// leave has sockets of the file system stay there when this process closes them: they are the successor's.
func (s *streams) leave() {
	for _, l := range s.open {
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
	}
}

// close closes what nobody has asked for.
func (s *streams) close() {
	for _, l := range s.inherited {
		_ = l.Close() // nobody was served
	}
	s.inherited = nil
}
