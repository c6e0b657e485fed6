package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// BenchmarkLoad loads the whole command in the ways in which speed matters most. The processor profile that is
// taken of it is what the compiler is told of the command (default.pgo; "go tool mage bench:profile" makes it anew).
func BenchmarkLoad(b *testing.B) {
	const guest = "../../../testdata/handlers/length-c/length.wasm"
	plain := load.Options{Window: 256, Sockets: 8}
	bursts := load.Options{Window: 1024, Sockets: 8, GSO: load.HasGSO}
	peers := load.Options{Window: 256, Sockets: 256}
	for _, tt := range []struct {
		name string
		load load.Options
		args []string // of the server
	}{
		{"plain", plain, nil},
		{"peers", peers, []string{"--rate-limit", "on", "--rate", "1000000"}},
		{"bursts", bursts, []string{"--gso", "auto"}},
		{"guest", plain, []string{"--handler", guest}},
		{"guest-bursts", bursts, []string{"--gso", "auto", "--handler", guest}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			_, addr := startServer(b, append(tt.args, "--quiet", "--workers", "1")...)
			o := tt.load
			o.Target, o.Count, o.Duration = netip.MustParseAddrPort(addr), uint64(b.N), time.Hour
			b.ResetTimer()
			r, err := load.Run(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			if r.Wrong > 0 {
				b.Errorf("%d replies are wrong", r.Wrong)
			}
		})
	}
}
