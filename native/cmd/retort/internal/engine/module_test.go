package engine_test

import (
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

const header = "\x00asm\x01\x00\x00\x00"

func TestVersion(t *testing.T) {
	for _, tt := range []struct{ wasm, want string }{
		{"", ""},
		{header, ""},
		{header + "\x00\x0d\x07version1.2.3", "1.2.3"},
		{header + "\x01\x01\x00" + "\x00\x0d\x07version1.2.3", "1.2.3"},               // behind another section
		{header + "\x00\x05\x04name" + "\x00\x0d\x07version1.2.3", "1.2.3"},           // behind another custom one
		{header + "\x00\x0d\x07version1\n2.3", ""},                                    // would break a line
		{header + "\x00\x0d\x07version1.2", ""},                                       // cut short
		{header + "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x07version1.2.3", ""}, // of an absurd length
		{header + "\x00\x0d\x7fversion1.2.3", ""},
	} {
		if got := engine.Version([]byte(tt.wasm)); got != tt.want {
			t.Errorf("%q says %q, not %q", tt.wasm, got, tt.want)
		}
	}
}

func FuzzVersion(f *testing.F) {
	f.Add([]byte(header + "\x00\x0d\x07version1.2.3"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if v := engine.Version(wasm); len(v) > 64 {
			t.Errorf("%q is too long", v)
		}
	})
}
