package dropin_test

import (
	"encoding/hex"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/dropin"
)

func FuzzPinned(f *testing.F) {
	for _, text := range []string{
		"", digest("a"), digest("a") + "  a.wasm\n", "# no digest\r\n" + digest("a") + " *./x/a.wasm\r\n", digest("a") + "  b.wasm",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := dropin.Pinned(text, "a.wasm")
		if raw, wrong := hex.DecodeString(got); err == nil && (wrong != nil || len(raw) != 32) {
			t.Errorf("%q pins %q", text, got)
		}
	})
}
