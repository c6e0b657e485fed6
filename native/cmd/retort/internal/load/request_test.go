package load_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

func TestID(t *testing.T) {
	var id [load.IDSize]byte
	for _, tt := range []struct {
		sequence uint64
		socket   int
		want     string
	}{
		{0, 0, "00000000"},
		{0, 1, "00000001"},
		{0, 64, "00000010"},
		{1, 0, "00000100"}, // twelve bits of socket are two digits
		{1<<36 - 1, load.MaxSockets - 1, "oooooooo"},
	} {
		load.PutID(id[:], tt.sequence, tt.socket)
		if string(id[:]) != tt.want {
			t.Errorf("request %d of socket %d is %q, want %q", tt.sequence, tt.socket, id, tt.want)
		}
		if n, s, ok := load.ParseID(id[:]); n != tt.sequence || s != tt.socket || !ok {
			t.Errorf("%q is request %d of socket %d, %v", id, n, s, ok)
		}
	}
	for _, bad := range []string{"", "0000000", "0000000p", "0000/000", "\xff0000000"} {
		if _, _, ok := load.ParseID([]byte(bad)); ok {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}

// Whatever is taken for an id is one.
func FuzzParseID(f *testing.F) {
	f.Add([]byte("00000000"))
	f.Add([]byte("0123ABno and more"))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sequence, socket, ok := load.ParseID(b)
		if !ok {
			return
		}
		var id [load.IDSize]byte
		if load.PutID(id[:], sequence, socket); !bytes.HasPrefix(b, id[:]) {
			t.Errorf("%q was read as request %d of socket %d, which is %q", b, sequence, socket, id)
		}
	})
}

func TestRight(t *testing.T) {
	filler := strings.Repeat(".", 24)
	for _, tt := range []struct {
		name  string
		o     load.Options
		reply string
		want  bool
	}{
		{"length", load.Options{Size: 32}, "Your data was 32 bytes long", true},
		{"another length", load.Options{Size: 32}, "Your data was 33 bytes long", false},
		{"length and more", load.Options{Size: 32}, "Your data was 32 bytes long.", false},
		{"nothing", load.Options{Size: 32}, "", false},
		{"length of nothing", load.Options{Empty: true}, "Your data was 0 bytes long", true},
		{"echo", load.Options{Size: 32, Expect: load.Echo}, "00000001" + filler, true},
		{"echo, cut", load.Options{Size: 32, Expect: load.Echo}, "00000001" + filler[1:], false},
		{"echo, changed", load.Options{Size: 32, Expect: load.Echo}, "00000001" + filler[1:] + "x", false},
		{"short echo", load.Options{Size: 3, Expect: load.Echo}, "...", true},
		{"short echo, changed", load.Options{Size: 3, Expect: load.Echo}, "..,", false},
		{"echo of nothing", load.Options{Empty: true, Expect: load.Echo}, "", true},
		{"anything", load.Options{Expect: load.Any}, "whatever", true},
		{"anything, even nothing", load.Options{Expect: load.Any}, "", true},
	} {
		if got := load.Right(tt.o, []byte(tt.reply)); got != tt.want {
			t.Errorf("%s: %q is right: %v, want %v", tt.name, tt.reply, got, tt.want)
		}
	}
}
