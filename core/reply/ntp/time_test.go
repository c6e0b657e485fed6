package ntp_test

import (
	"testing"
	"time"

	"github.com/retort-udp/retort/core/reply/ntp"
)

// The dates of RFC 5905, figure 4, that one needs.
func TestTimestamp(t *testing.T) {
	day := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	for _, tt := range []struct {
		time time.Time
		want uint64 // seconds of the era
	}{
		{day(1899, 12, 31), 4_294_880_896},
		{day(1900, 1, 1), 0},
		{day(1970, 1, 1), 2_208_988_800},
		{day(1972, 1, 1), 2_272_060_800},
		{day(1999, 12, 31), 3_155_587_200},
		{day(2036, 2, 8), 63_104},
	} {
		if got := ntp.Timestamp(tt.time); got != tt.want<<32 {
			t.Errorf("%v is %d and %#x; want %d", tt.time, got>>32, uint32(got), tt.want)
		}
		if back := ntp.Time(tt.want<<32, tt.time.AddDate(60, 0, 0)); !back.Equal(tt.time) {
			t.Errorf("%d seconds, asked 60 years later, is %v; want %v", tt.want, back, tt.time)
		}
		if back := ntp.Time(tt.want<<32, tt.time.AddDate(-60, 0, 0)); !back.Equal(tt.time) {
			t.Errorf("%d seconds, asked 60 years earlier, is %v; want %v", tt.want, back, tt.time)
		}
	}
	last := time.Date(2036, 2, 7, 6, 28, 15, 999_999_999, time.UTC)
	if got := ntp.Timestamp(last); got != 0xffffffff_fffffffb { // a nanosecond is 4.29 units
		t.Errorf("the end of the era is %#x", got)
	}
	if got := ntp.Timestamp(last.Add(1)); got != 0 {
		t.Errorf("the next era begins with %#x", got)
	}
}

// What is written is read again, to the nanosecond.
func FuzzTimestamp(f *testing.F) {
	f.Add(int64(0))
	f.Add(time.Date(2036, 2, 7, 6, 28, 16, 1, time.UTC).UnixNano())
	f.Fuzz(func(t *testing.T, ns int64) {
		in := time.Unix(0, ns)
		if out := ntp.Time(ntp.Timestamp(in), in.AddDate(20, 0, 0)); !out.Equal(in) {
			t.Errorf("%v became %v", in, out)
		}
	})
}
