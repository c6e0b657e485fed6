package protocoltest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/retort-udp/retort/core"
)

const ntpConfig = "stratum 1\nreference GPS\nkiss RATE 192.0.2.0/27\nkiss DENY 2001:db8::80/121"

func TestDifferentialNTP(t *testing.T) {
	differential(t, "ntp", []byte(ntpConfig), func(r *rand.Rand, d *core.Datagram) {
		d.Data = noise(r, 48+r.IntN(40))
		switch r.IntN(8) {
		case 0: // anything
		case 1:
			d.Data = d.Data[:r.IntN(len(d.Data))]
		case 2, 3: // of any mode
			d.Data[0] = byte(1+r.IntN(4))<<3 | byte(r.IntN(8))
		default: // clients' and peers'
			d.Data[0] = byte(r.IntN(4))<<6 | byte(1+r.IntN(4))<<3 | byte(1+r.IntN(2)*2)
		}
	})
}

func TestVectorsNTP(t *testing.T) { answersVectors(t, "ntp") }

// chronyd asks as it would to set the clock, but only prints by how much that is wrong: by nothing, on one machine.
func TestClientNTP(t *testing.T) {
	chronyd := client(t, "chronyd", "chrony")
	offset := regexp.MustCompile(`System clock wrong by (-?[0-9.]+) seconds`)
	for _, version := range []int{3, 4} {
		t.Run("version "+strconv.Itoa(version), func(t *testing.T) {
			t.Parallel() // each takes chronyd four seconds
			eachBuild(t, "ntp", []byte("stratum 2"), func(t *testing.T, server netip.AddrPort) {
				// chronyd makes its PID file anew and removes it in the end, whatever was there: it must be ours.
				pidFile := filepath.Join(t.TempDir(), "pid")
				out := run(t, chronyd, "-Q", "-t", "20", "-U", "pidfile "+pidFile, "cmdport 0", "bindcmdaddress /",
					fmt.Sprintf("server %v port %d iburst version %d", server.Addr(), server.Port(), version))
				found := offset.FindStringSubmatch(out)
				if found == nil {
					t.Fatalf("chronyd has no measurement:\n%s", out)
				}
				if seconds, err := strconv.ParseFloat(found[1], 64); err != nil || seconds < -1 || seconds > 1 {
					t.Errorf("the clock of this machine is wrong by %s s according to itself:\n%s", found[1], out)
				}
			})
		})
	}
}

// noise returns n random bytes.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
